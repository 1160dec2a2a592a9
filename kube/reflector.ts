import type { KubeClient } from './client.ts'
import type { Clock } from './clock.ts'
import { systemClock } from './clock.ts'
import { isTooManyRequests, KubeError } from './errors.ts'
import { type Log, silentLog } from './log.ts'
import { type Metrics, noMetrics, reflectorListsTotal, reflectorMissedTotal, reflectorWatchesTotal } from './metrics.ts'
import type { KubeObject, ListOptions, ResourceType } from './resource.ts'
import { keyOf } from './resource.ts'
import { backoffMs } from './retry.ts'
import type { WatchEvent } from './watch.ts'

export interface ReflectorOptions<T extends KubeObject> {
  readonly client: Pick<KubeClient, 'list' | 'watch'>
  readonly type: ResourceType
  readonly options?: ListOptions
  /** What is kept of each object. Name, namespace and resourceVersion must stay. Default: all but managedFields. */
  readonly project?: (object: T) => T
  /** Called for each new, changed or deleted (undefined) object, after the cache has it. Should only enqueue. */
  readonly onChange: (key: string, object: T | undefined) => void
  readonly clock?: Clock
  readonly random?: () => number
  readonly log?: Log
  readonly metrics?: Metrics
}

/** Where a reflector stands. `failures` counts the tries in a row without any news. */
export type ReflectorState =
  /** The cache is empty or too old to go on from: next is a full list. */
  | { readonly phase: 'list'; readonly failures: number }
  /** The cache is complete up to this resource version: next is a watch from there. */
  | { readonly phase: 'watch'; readonly failures: number; readonly resourceVersion: string }

const backoff = { baseMs: 800, capMs: 30_000 }
/** A watch that ends sooner and says nothing counts as a failure, or a server that closes at once is asked in a busy loop. */
const shortestWatchMs = 1_000
/** Failures in a row after which the resource version of the watch is no longer trusted. */
const failuresBeforeList = 3

/**
 * A local copy of all objects of a type, kept up to date by one watch.
 *
 * Guarantees: it never gives up; every object's last state is delivered, though states between may be skipped; a
 * healthy watch is never interrupted by a list; nothing stays open after `run` has ended.
 * Assumes that `onChange` is quick. When it throws, that is logged and nothing else happens.
 */
export class Reflector<T extends KubeObject> {
  /** Resolves after the first full list. Stays pending when the reflector is stopped before it. */
  readonly synced: Promise<void>
  readonly #options: ReflectorOptions<T>
  readonly #project: (object: T) => T
  readonly #clock: Clock
  readonly #log: Log
  readonly #metrics: Metrics
  readonly #labels: { readonly resource: string }
  readonly #cache = new Map<string, T>()
  readonly #resolveSynced: () => void
  #isSynced = false
  #lastEventAt: Date | undefined
  #state: ReflectorState = { phase: 'list', failures: 0 }

  constructor(options: ReflectorOptions<T>) {
    this.#options = options
    this.#project = options.project ?? withoutManagedFields
    this.#clock = options.clock ?? systemClock
    this.#labels = { resource: options.type.plural }
    this.#log = (options.log ?? silentLog).with(this.#labels)
    this.#metrics = options.metrics ?? noMetrics
    const { promise, resolve } = Promise.withResolvers<void>()
    this.synced = promise
    this.#resolveSynced = resolve
  }

  /** When the API server last said anything (list, event, bookmark); a healthy watch says something each minute. */
  get lastEventAt(): Date | undefined {
    return this.#lastEventAt
  }

  get state(): ReflectorState {
    return this.#state
  }

  get(name: string, namespace?: string): T | undefined {
    return this.#cache.get(keyOf({ name, ...(namespace !== undefined && { namespace }) }))
  }

  list(): readonly T[] {
    return [...this.#cache.values()]
  }

  /** Works until the signal aborts. Never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        if (this.#state.phase === 'list') await this.#listAll(signal)
        else await this.#watch(this.#state.resourceVersion, signal)
      } catch (error) {
        if (signal.aborted) return
        this.#state = afterFailure(this.#state, error)
        this.#log.warn('reflector failed and will try again', { error, ...this.#state })
        await this.#pause(error, signal)
      }
    }
  }

  async #listAll(signal: AbortSignal): Promise<void> {
    const { client, type, options } = this.#options
    this.#metrics.add(reflectorListsTotal, this.#labels)
    const { items, resourceVersion } = await client.list<T>(type, { ...options, project: this.#project, signal })
    if (signal.aborted) return
    const changes = this.#replaceCache(items)
    if (this.#isSynced && changes.length > 0) {
      this.#metrics.add(reflectorMissedTotal, this.#labels, changes.length)
      this.#log.info('list found changes that the watch had not delivered', { changes: changes.length })
    }
    // Failures are kept: a server that lists well but refuses each watch is still to be left in peace.
    this.#state = { phase: 'watch', failures: this.#state.failures, resourceVersion }
    this.#lastEventAt = this.#clock.now()
    for (const key of changes) this.#notify(key)
    this.#isSynced = true
    this.#resolveSynced()
  }

  async #watch(resourceVersion: string, signal: AbortSignal): Promise<void> {
    const { client, type, options } = this.#options
    const startedAtMs = this.#clock.monotonicMs()
    let isSilent = true
    this.#metrics.add(reflectorWatchesTotal, this.#labels)
    for await (const event of client.watch<T>(type, { ...options, resourceVersion, signal })) {
      if (signal.aborted) return
      isSilent = false
      this.#accept(event)
    }
    if (isSilent && !signal.aborted && this.#clock.monotonicMs() - startedAtMs < shortestWatchMs) {
      throw new Error('the API server closed the watch at once')
    }
  }

  #accept(event: WatchEvent<T>): void {
    this.#lastEventAt = this.#clock.now()
    if (event.type === 'BOOKMARK') {
      this.#state = { phase: 'watch', failures: 0, resourceVersion: event.resourceVersion }
      return
    }
    const { metadata } = event.object
    const key = keyOf(metadata)
    if (event.type === 'DELETED') this.#cache.delete(key)
    else this.#cache.set(key, this.#project(event.object))
    this.#state = { phase: 'watch', failures: 0, resourceVersion: metadata.resourceVersion ?? '' }
    this.#notify(key)
  }

  /** Gives the keys that differ from what was there. */
  #replaceCache(items: readonly T[]): string[] {
    const listed = new Map(items.map((item) => [keyOf(item.metadata), item]))
    const changed = [...listed].filter(
      ([key, { metadata }]) => this.#cache.get(key)?.metadata.resourceVersion !== metadata.resourceVersion,
    )
    const gone = [...this.#cache.keys()].filter((key) => !listed.has(key))
    for (const key of gone) this.#cache.delete(key)
    for (const [key, item] of changed) this.#cache.set(key, item)
    return [...changed.map(([key]) => key), ...gone]
  }

  #notify(key: string): void {
    try {
      this.#options.onChange(key, this.#cache.get(key))
    } catch (error) {
      this.#log.error('change handler failed', { error, key })
    }
  }

  async #pause(error: unknown, signal: AbortSignal): Promise<void> {
    const askedMs = error instanceof KubeError ? (error.retryAfterSeconds ?? 0) * 1000 : 0
    const ownMs = backoffMs(this.#state.failures - 1, backoff, this.#options.random ?? Math.random)
    await this.#clock.sleep(Math.max(askedMs, ownMs), signal)
  }
}

/**
 * Lost connections, server errors and overload say nothing about the resource version: the watch is resumed. A version
 * that is gone, an event that does not parse or a refusal of the request lead to a list; so do failures again and
 * again, because a version from the future (etcd was restored from a backup) shows as a watch that is silent.
 */
export function afterFailure(state: ReflectorState, error: unknown): ReflectorState {
  const failures = state.failures + 1
  if (state.phase === 'list' || needsList(error, failures)) return { phase: 'list', failures }
  return { ...state, failures }
}

function needsList(error: unknown, failures: number): boolean {
  if (isTooManyRequests(error)) return false
  if (error instanceof SyntaxError || failures >= failuresBeforeList) return true
  return error instanceof KubeError && error.status < 500
}

function withoutManagedFields<T extends KubeObject>(object: T): T {
  delete object.metadata.managedFields
  return object
}
