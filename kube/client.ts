import type { Clock } from './clock.ts'
import { systemClock } from './clock.ts'
import { isConflict, isGone, isNotFound, KubeError } from './errors.ts'
import { type EvictionOutcome, type EvictionRequest, evictionOf, evictionOutcome } from './eviction.ts'
import { apiRequestsTotal, type Metrics, noMetrics } from './metrics.ts'
import type { KubeObject, ListOptions, ObjectRef, ResourceType } from './resource.ts'
import { apiVersionOf, Pods, resourcePath } from './resource.ts'
import { defaultRetry, type RetryPolicy, retryDelayMs } from './retry.ts'
import type { Transport, TransportRequest, TransportResponse } from './transport.ts'
import { readWatch, type WatchEvent, watchTimeoutSeconds } from './watch.ts'

export interface KubeClientOptions {
  /** Of one try. Default 30 000. */
  readonly requestTimeoutMs?: number
  readonly retry?: RetryPolicy
  /** Sent with each request and shown in the API server's audit log. */
  readonly userAgent?: string
  readonly clock?: Clock
  readonly random?: () => number
  readonly metrics?: Metrics
}

export interface CallOptions {
  readonly signal?: AbortSignal
}

export interface ListCall<T> extends ListOptions, CallOptions {
  /** Applied to each item before the next page is read, so that a large list never is in memory as a whole. */
  readonly project?: (object: T) => T
}

export interface ListResult<T> {
  readonly items: T[]
  /** Where a watch goes on from. */
  readonly resourceVersion: string
}

export interface ApplyOptions extends CallOptions {
  readonly fieldManager: string
  /** Take over fields that another manager owns. Without it such an apply fails as a conflict. */
  readonly force?: boolean
  readonly subresource?: string
}

export interface PatchOptions extends CallOptions {
  readonly kind: 'merge' | 'json'
  readonly subresource?: string
  readonly fieldManager?: string
}

export interface DeleteOptions extends CallOptions {
  /** Preconditions: when the object is another one by now, the call fails as a conflict. */
  readonly uid?: string
  readonly resourceVersion?: string
  readonly propagation?: 'Background' | 'Foreground' | 'Orphan'
}

export interface WatchOptions extends ListOptions {
  readonly resourceVersion: string
  readonly signal: AbortSignal
}

interface Call extends Omit<TransportRequest, 'timeoutMs'> {
  readonly verb: string
  readonly type: ResourceType
  /** Sending it twice has the effect of sending it once: only then is it tried again. */
  readonly idempotent: boolean
}

const pageSize = 500
/** Continue tokens live for minutes; a list that loses its token so often will never end. */
const listRestarts = 3
/** The API server sends a bookmark each minute: two missing ones mean that something between us is dead. */
const watchIdleTimeoutMs = 150_000

const patchTypes = { merge: 'application/merge-patch+json', json: 'application/json-patch+json' }

/**
 * The API server's REST interface for any type, as plain JSON.
 *
 * Every method throws KubeError when the server refuses, ConnectionError when there is no answer, and the
 * signal's reason when it aborts. Reads, applies, merge patches and deletes are tried again on 429, 5xx and lost
 * connections; creations, JSON patches and evictions never are.
 */
export class KubeClient {
  readonly #transport: Transport
  readonly #requestTimeoutMs: number
  readonly #retry: RetryPolicy
  readonly #headers: Readonly<Record<string, string>>
  readonly #clock: Clock
  readonly #random: () => number
  readonly #metrics: Metrics

  constructor(transport: Transport, options: KubeClientOptions = {}) {
    this.#transport = transport
    this.#requestTimeoutMs = options.requestTimeoutMs ?? 30_000
    this.#retry = options.retry ?? defaultRetry
    this.#headers = options.userAgent ? { 'user-agent': options.userAgent } : {}
    this.#clock = options.clock ?? systemClock
    this.#random = options.random ?? Math.random
    this.#metrics = options.metrics ?? noMetrics
  }

  /** The object, or undefined when there is none of that name. */
  async get<T extends KubeObject>(
    type: ResourceType,
    ref: ObjectRef,
    options: CallOptions = {},
  ): Promise<T | undefined> {
    try {
      const path = resourcePath(type, ref)
      const { body } = await this.#call({ verb: 'get', type, method: 'GET', path, idempotent: true, ...options })
      return body as T
    } catch (error) {
      if (isNotFound(error)) return undefined
      throw error
    }
  }

  /** All objects that match, read in pages of one consistent snapshot. */
  async list<T extends KubeObject>(type: ResourceType, options: ListCall<T> = {}): Promise<ListResult<T>> {
    for (let restarts = 0; ; restarts++) {
      try {
        return await this.#listPages(type, options)
      } catch (error) {
        if (!isGone(error) || restarts >= listRestarts) throw error
      }
    }
  }

  /** The types that one group and version serves, such as `v1` or `apps/v1`; not found when it is not served. */
  async discover(apiVersion: string, options: CallOptions = {}): Promise<ResourceType[]> {
    const [version = '', group = ''] = apiVersion.split('/').toReversed()
    const type = { group, version, plural: 'discovery', kind: 'APIResourceList', namespaced: false }
    const path = `${group === '' ? '/api' : '/apis'}/${apiVersion.split('/').map(encodeURIComponent).join('/')}`
    const { body } = await this.#call({ verb: 'get', type, method: 'GET', path, idempotent: true, ...options })
    const { resources = [] } = body as { resources?: { name: string; kind: string; namespaced: boolean }[] }
    return resources
      .filter(({ name }) => !name.includes('/'))
      .map(({ name: plural, kind, namespaced }) => ({ group, version, plural, kind, namespaced }))
  }

  async create<T extends KubeObject>(type: ResourceType, object: T, options: CallOptions = {}): Promise<T> {
    const { namespace } = object.metadata
    const path = resourcePath(type, namespace === undefined ? {} : { namespace })
    const body = withType(type, object)
    const call: Call = { verb: 'create', type, method: 'POST', path, body, idempotent: false, ...options }
    return (await this.#call(call)).body as T
  }

  /** Server-side apply: afterwards the field manager owns exactly the fields that the object names. */
  async apply<T extends KubeObject>(type: ResourceType, object: T, options: ApplyOptions): Promise<T> {
    const { fieldManager, force, subresource, ...rest } = options
    const path = resourcePath(type, refOf(object), subresource)
    const query = { fieldManager, ...(force && { force: 'true' }) }
    const headers = { 'content-type': 'application/apply-patch+yaml' }
    const body = withType(type, object)
    const call: Call = { verb: 'apply', type, method: 'PATCH', path, query, headers, body, idempotent: true, ...rest }
    return (await this.#call(call)).body as T
  }

  /** A merge patch (an object) or a JSON patch (a list of operations). With `metadata.resourceVersion` in a merge patch the object must not have changed since. */
  async patch<T extends KubeObject>(
    type: ResourceType,
    ref: ObjectRef,
    patch: object,
    options: PatchOptions,
  ): Promise<T> {
    const { kind, subresource, fieldManager, ...rest } = options
    const path = resourcePath(type, ref, subresource)
    const query = fieldManager === undefined ? {} : { fieldManager }
    const headers = { 'content-type': patchTypes[kind] }
    const idempotent = kind === 'merge'
    const call: Call = { verb: 'patch', type, method: 'PATCH', path, query, headers, body: patch, idempotent, ...rest }
    return (await this.#call(call)).body as T
  }

  /** True when the deletion was accepted (finalizers may delay it), false when there was nothing to delete. */
  async delete(type: ResourceType, ref: ObjectRef, options: DeleteOptions = {}): Promise<boolean> {
    const { uid, resourceVersion, propagation, ...rest } = options
    const preconditions = { ...(uid && { uid }), ...(resourceVersion && { resourceVersion }) }
    const body = {
      apiVersion: 'v1',
      kind: 'DeleteOptions',
      ...(propagation && { propagationPolicy: propagation }),
      ...((uid || resourceVersion) && { preconditions }),
    }
    try {
      const path = resourcePath(type, ref)
      await this.#call({ verb: 'delete', type, method: 'DELETE', path, body, idempotent: true, ...rest })
      return true
    } catch (error) {
      if (isNotFound(error)) return false
      throw error
    }
  }

  /**
   * The changes after `resourceVersion`. Ends without an error when the server ends the watch (after 290 to 590 s)
   * or the signal aborts. Throws KubeError for a refusal and for an ERROR event (410: list again), ConnectionError
   * for a broken or idle connection, SyntaxError for a line that was cut short.
   */
  async *watch<T extends KubeObject>(type: ResourceType, options: WatchOptions): AsyncGenerator<WatchEvent<T>> {
    const { namespace, resourceVersion, signal } = options
    const query = {
      ...selectors(options),
      watch: '1',
      allowWatchBookmarks: 'true',
      resourceVersion,
      timeoutSeconds: String(watchTimeoutSeconds(this.#random)),
    }
    const path = resourcePath(type, namespace === undefined ? {} : { namespace })
    this.#metrics.add(apiRequestsTotal, { verb: 'watch', resource: type.plural, code: '200' })
    const idleTimeoutMs = watchIdleTimeoutMs
    yield* readWatch<T>(this.#transport.stream({ path, query, headers: this.#headers, signal, idleTimeoutMs }), path)
  }

  /** Asks for a pod to go, within its disruption budgets. Throws when the answer is not about this pod. */
  async evict(request: EvictionRequest, options: CallOptions = {}): Promise<EvictionOutcome> {
    const path = resourcePath(Pods, request, 'eviction')
    const body = evictionOf(request)
    try {
      await this.#call({ verb: 'evict', type: Pods, method: 'POST', path, body, idempotent: false, ...options })
      return { evicted: true }
    } catch (error) {
      // A conflict has no code of its own for "another pod has this name now": look who has it.
      if (isConflict(error) && (await this.get(Pods, request, options))?.metadata.uid !== request.uid) {
        return { evicted: true }
      }
      const outcome = evictionOutcome(error)
      if (outcome) return outcome
      throw error
    }
  }

  async #listPages<T extends KubeObject>(type: ResourceType, options: ListCall<T>): Promise<ListResult<T>> {
    const { namespace, signal, project = (object) => object } = options
    const path = resourcePath(type, namespace === undefined ? {} : { namespace })
    const query = { ...selectors(options), limit: String(pageSize) }
    const items: T[] = []
    let token: string | undefined
    for (;;) {
      const page = await this.#call({
        verb: 'list',
        type,
        method: 'GET',
        path,
        query: token ? { ...query, continue: token } : query,
        idempotent: true,
        ...(signal && { signal }),
      })
      const { metadata, items: found } = page.body as { metadata: ListMeta; items: T[] | null }
      for (const item of found ?? []) items.push(project(withType(type, item)))
      if (!metadata.continue) return { items, resourceVersion: metadata.resourceVersion }
      token = metadata.continue
    }
  }

  async #call(call: Call): Promise<TransportResponse> {
    for (let failures = 1; ; failures++) {
      try {
        return await this.#send(call)
      } catch (error) {
        const delayMs = call.idempotent ? retryDelayMs(error, failures, this.#retry, this.#random) : undefined
        if (delayMs === undefined) throw error
        await this.#clock.sleep(delayMs, call.signal)
        call.signal?.throwIfAborted()
      }
    }
  }

  async #send({ verb, type, idempotent: _, ...request }: Call): Promise<TransportResponse> {
    const count = (code: string): void => this.#metrics.add(apiRequestsTotal, { verb, resource: type.plural, code })
    let response: TransportResponse
    try {
      const headers = { ...this.#headers, ...request.headers }
      response = await this.#transport.request({ ...request, headers, timeoutMs: this.#requestTimeoutMs })
    } catch (error) {
      count('error')
      throw error
    }
    const { status, body, headers } = response
    count(String(status))
    if (status < 400 && typeof body !== 'string') return response
    throw new KubeError(`${request.method} ${request.path}`, { status, body, retryAfter: headers['retry-after'] })
  }
}

interface ListMeta {
  readonly resourceVersion: string
  readonly continue?: string
}

/** Items of a list come without their type, those of a watch with it: we give it to all. */
function withType<T extends KubeObject>(type: ResourceType, object: T): T {
  return { ...object, apiVersion: object.apiVersion ?? apiVersionOf(type), kind: object.kind ?? type.kind }
}

function refOf({ kind, metadata: { name, namespace } }: KubeObject): ObjectRef {
  if (name === undefined) throw new Error(`a ${kind ?? 'object'} without metadata.name cannot be applied: name it`)
  return { name, ...(namespace !== undefined && { namespace }) }
}

function selectors({ labelSelector, fieldSelector }: ListOptions): Record<string, string> {
  return { ...(labelSelector && { labelSelector }), ...(fieldSelector && { fieldSelector }) }
}
