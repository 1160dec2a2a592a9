/** The API server: objects with versions, watches that lag, writes that conflict. What it holds is never changed in place. */
import { isDeepStrictEqual } from 'node:util'
import { KubeError } from '../../../kube/errors.ts'
import type { ObjectMeta } from '../../../kube/resource.ts'

export interface Stored {
  apiVersion?: string
  kind?: string
  metadata: ObjectMeta & { name: string; uid: string; resourceVersion: string }
  spec?: Record<string, unknown>
  status?: Record<string, unknown>
}

/** An object on its way in. */
export interface Sent {
  apiVersion?: string
  kind?: string
  metadata: ObjectMeta
  spec?: unknown
  status?: unknown
}

export type EventType = 'ADDED' | 'MODIFIED' | 'DELETED'

export interface Change {
  readonly version: number
  readonly type: EventType
  readonly object: Stored
}

/** Who writes: invariants are about what Drydock does, not about what people do. */
export type Writer = 'operator' | 'courier' | 'cluster' | 'person'

export interface Written {
  readonly by: Writer
  readonly process: string
  readonly plural: string
  readonly before: Stored | undefined
  readonly after: Stored | undefined
}

type Listener = (change: Change) => void

export const refused = (status: number, reason: string, message: string): KubeError =>
  new KubeError('simulated', { status, body: { kind: 'Status', reason, message } })

export class Api {
  version = 100
  /** Watches from before this version are gone. */
  compacted = 0
  readonly #kinds = new Map<string, Map<string, Stored>>()
  readonly #log = new Map<string, Change[]>()
  /** By kind, and by name for those who watch one object: most of a large fleet do. */
  readonly #listeners = new Map<string, Set<Listener>>()
  readonly #onWrite: (written: Written) => void
  readonly #now: () => string
  #uids = 0

  constructor(now: () => string, onWrite: (written: Written) => void) {
    this.#now = now
    this.#onWrite = onWrite
  }

  newUid(): string {
    return `uid-${++this.#uids}`
  }

  get(plural: string, name: string): Stored | undefined {
    return this.#kind(plural).get(name)
  }

  list(plural: string): Stored[] {
    return [...this.#kind(plural).values()]
  }

  /** Tells what changed since this version and what changes from now on, until the watch is ended by what it gives. */
  watch({ plural, name, version }: Watch, listener: Listener): () => void {
    for (const change of this.#changesAfter(plural, version)) {
      if (name === undefined || name === change.object.metadata.name) listener(change)
    }
    const key = keyOf(plural, name)
    const listeners = this.#listeners.get(key) ?? new Set()
    this.#listeners.set(key, listeners.add(listener))
    return () => listeners.delete(listener)
  }

  #changesAfter(plural: string, version: number): Change[] {
    const log = this.#log.get(plural) ?? []
    return log.slice(1 + log.findLastIndex((change) => change.version <= version))
  }

  create(who: Who, plural: string, { metadata, ...rest }: Sent): Stored {
    const name = metadata.name ?? `${metadata.generateName}${this.version}`
    if (this.get(plural, name)) throw refused(409, 'AlreadyExists', `${plural} ${name} exists`)
    const object = {
      ...(rest as Partial<Stored>),
      metadata: { generation: 1, ...metadata, name, uid: this.newUid(), creationTimestamp: this.#now() },
    } as Stored
    return this.#store(who, plural, undefined, object)
  }

  /** Replaces what `change` gives; fails when `expected` does not hold. Another spec is another generation. */
  update(who: Who, plural: string, expected: Partial<ObjectMeta> & { name: string }, change: Mutation): Stored {
    const before = this.get(plural, expected.name)
    if (!before) throw refused(404, 'NotFound', `${plural} ${expected.name} is not there`)
    const { uid, resourceVersion } = expected
    if (uid !== undefined && uid !== before.metadata.uid) throw refused(409, 'Conflict', 'the uid is another')
    if (resourceVersion !== undefined && resourceVersion !== before.metadata.resourceVersion) {
      throw refused(409, 'Conflict', `${plural} ${expected.name} has changed`)
    }
    const changed = change(before)
    const after = { ...before, ...changed, metadata: { ...before.metadata, ...changed.metadata } }
    const isSameSpec = isDeepStrictEqual(before.spec, after.spec)
    if (isSameSpec && isDeepStrictEqual(before, after)) return before
    if (!isSameSpec) after.metadata.generation = (before.metadata.generation ?? 1) + 1
    const isGone = after.metadata.deletionTimestamp !== undefined && !after.metadata.finalizers?.length
    if (!isGone || plural === 'pods') return this.#store(who, plural, before, after)
    this.#drop(who, plural, before)
    return after
  }

  /** With finalizers the object stays until they are gone. */
  remove(who: Who, plural: string, name: string): boolean {
    const before = this.get(plural, name)
    if (!before) return false
    if (!before.metadata.finalizers?.length) {
      this.#drop(who, plural, before)
      return true
    }
    const deletionTimestamp = before.metadata.deletionTimestamp ?? this.#now()
    this.update(who, plural, { name }, () => ({ metadata: { ...before.metadata, deletionTimestamp } }))
    return true
  }

  #kind(plural: string): Map<string, Stored> {
    let kind = this.#kinds.get(plural)
    if (!kind) {
      kind = new Map()
      this.#kinds.set(plural, kind)
      this.#log.set(plural, [])
    }
    return kind
  }

  #store(who: Who, plural: string, before: Stored | undefined, after: Stored): Stored {
    const version = ++this.version
    after.metadata.resourceVersion = String(version)
    this.#kind(plural).set(after.metadata.name, after)
    this.#tell(plural, { version, type: before ? 'MODIFIED' : 'ADDED', object: after })
    this.#onWrite({ ...who, plural, before, after })
    return after
  }

  #drop(who: Who, plural: string, before: Stored): void {
    const version = ++this.version
    this.#kind(plural).delete(before.metadata.name)
    const object = { ...before, metadata: { ...before.metadata, resourceVersion: String(version) } }
    this.#tell(plural, { version, type: 'DELETED', object })
    this.#onWrite({ ...who, plural, before, after: undefined })
  }

  #tell(plural: string, change: Change): void {
    this.#log.get(plural)!.push(change)
    for (const key of [keyOf(plural, undefined), keyOf(plural, change.object.metadata.name)]) {
      for (const listener of this.#listeners.get(key) ?? []) listener(change)
    }
  }
}

interface Watch {
  readonly plural: string
  /** The one object to watch; undefined: all. */
  readonly name: string | undefined
  readonly version: number
}

const keyOf = (plural: string, name: string | undefined): string => (name === undefined ? plural : `${plural}/${name}`)

export interface Who {
  readonly by: Writer
  readonly process: string
}

export type Mutation = (before: Stored) => {
  metadata?: Partial<ObjectMeta>
  spec?: Record<string, unknown>
  status?: Record<string, unknown>
}

type Fields = Record<string, unknown>

/** RFC 7396. */
export function merge(target: Fields | undefined, patch: Fields): Fields {
  const merged: Fields = { ...target }
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete merged[key]
    else if (typeof value === 'object' && !Array.isArray(value))
      merged[key] = merge(merged[key] as Fields, value as Fields)
    else if (value !== undefined) merged[key] = value
  }
  return merged
}

export interface Operation {
  readonly op: string
  readonly path: string
  readonly value: unknown
}

/** As much of RFC 6902 as reports are written with: below /status, and a test of the version. */
export function patchStatus(before: Stored, operations: readonly Operation[]): Fields {
  return operations.reduce<Fields>((status, operation) => patched(before, status, operation), { ...before.status })
}

function patched({ metadata }: Stored, status: Fields, { op, path, value }: Operation): Fields {
  if (op === 'test') {
    if (metadata.resourceVersion !== value) throw refused(422, 'Invalid', `test of ${path} failed`)
    return status
  }
  const [, , key, index] = path.split('/')
  if (key === undefined) return value as Fields
  if (index === undefined) return { ...status, [key]: value }
  const items = (status[key] as unknown[] | undefined) ?? []
  return { ...status, [key]: index === '-' ? [...items, value] : items.with(Number(index), value) }
}
