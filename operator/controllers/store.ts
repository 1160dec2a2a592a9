import type { Reflector } from '../../kube/reflector.ts'
import type { KubeObject } from '../../kube/resource.ts'

type Seen<T extends KubeObject> = Pick<Reflector<T>, 'get' | 'list' | 'state'>

/**
 * What a reflector has seen and what we wrote since.
 *
 * A plan counts the nodes that are out of service. Made from a cache that does not yet hold our last cordon, it would
 * take one node too many; so each write is remembered until the watch has caught up with it.
 */
export class Store<T extends KubeObject> {
  readonly #reflector: Seen<T>
  readonly #project: (object: T) => T
  readonly #namespace: string | undefined
  readonly #written = new Map<string, T>()

  /** `project` is that of the reflector; `namespace` the one that all objects are in, of a type that has them. */
  constructor(reflector: Seen<T>, project: (object: T) => T, namespace?: string) {
    this.#reflector = reflector
    this.#project = project
    this.#namespace = namespace
  }

  get(name: string): T | undefined {
    const seen = this.#reflector.get(name, this.#namespace)
    const written = this.#written.get(name)
    if (!written) return seen
    if (!this.#hasCaughtUp(seen, written)) return written
    this.#written.delete(name)
    return seen
  }

  /**
   * An object that ended may be remembered after its end was seen: the answer to the last write and the event travel
   * apart. The watch that has come further than the write and does not have the object knows better.
   */
  #hasCaughtUp(seen: T | undefined, { metadata }: T): boolean {
    const { state } = this.#reflector
    const upTo = [seen?.metadata.resourceVersion, state.phase === 'watch' ? state.resourceVersion : undefined]
    return upTo.some((version = '') => !isOlder(version, metadata.resourceVersion))
  }

  list(): T[] {
    if (this.#written.size === 0) return [...this.#reflector.list()]
    const names = new Set([...this.#reflector.list().map(nameOf), ...this.#written.keys()])
    return [...names].flatMap((name) => this.get(name) ?? [])
  }

  /** The answer of the API server to our write, or to a read that must count. */
  remember(object: T): T {
    const projected = this.#project(object)
    this.#written.set(nameOf(projected), projected)
    return projected
  }

  /** The object is gone. */
  forget(name: string): void {
    this.#written.delete(name)
  }
}

const nameOf = ({ metadata }: KubeObject): string => metadata.name ?? ''

/** Resource versions of one type grow, and are decimal numbers of any length; the empty one is older than any. */
function isOlder(left: string, right = ''): boolean {
  return left.length === right.length ? left < right : left.length < right.length
}
