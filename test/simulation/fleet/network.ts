/** What stands between a process and the API server: latency, partitions, overload, lost answers, watches that lag. */
import type { KubeClient, ListResult } from '../../../kube/client.ts'
import type { Clock } from '../../../kube/clock.ts'
import { ConnectionError, KubeError } from '../../../kube/errors.ts'
import { evictionOutcome } from '../../../kube/eviction.ts'
import type { KubeObject, ResourceType } from '../../../kube/resource.ts'
import { defaultRetry, retryDelayMs } from '../../../kube/retry.ts'
import type { WatchEvent } from '../../../kube/watch.ts'
import {
  type Api,
  type Change,
  merge,
  type Operation,
  patchStatus,
  refused,
  type Sent,
  type Stored,
  type Who,
} from './api.ts'
import type { Process, Random, Schedule } from './schedule.ts'

/** One side's way to the API server and back; times until which it is disturbed. */
export interface Link {
  requestsLostUntilMs: number
  answersLostUntilMs: number
  lagMs: number
  lagUntilMs: number
}

export const freshLink = (): Link => ({ requestsLostUntilMs: 0, answersLostUntilMs: 0, lagMs: 0, lagUntilMs: 0 })

export interface Server {
  readonly api: Api
  downUntilMs: number
  overloadedUntilMs: number
}

/** How a process changes what it reads or sends: only mutants do. */
export interface Tampering {
  /** What is read of an object; undefined hides it. */
  readonly seen?: (plural: string, object: Stored) => Stored | undefined
  /** What is applied. */
  readonly sent?: (plural: string, object: Sent) => Sent
  /** What a merge patch says. */
  readonly patched?: (plural: string, patch: Partial<Sent>) => Partial<Sent>
}

export interface ClientOptions {
  readonly schedule: Schedule
  readonly server: Server
  readonly link: Link
  readonly process: Process
  readonly who: Who
  readonly random: Random
  readonly clock: Clock
  readonly tampering: Tampering
  /** As the product's guarded transport asks. */
  readonly mayWrite?: () => boolean
  /** A write leaves, whatever becomes of it. */
  readonly onRequest?: (plural: string) => void
  /** A write of the operator was carried out: it may be its last. */
  readonly onWritten?: () => void
  /** A watch has shown this. */
  readonly onSeen?: (plural: string, change: Change) => void
}

const timeoutMs = 8_000

interface Call<R> {
  /** The kind of object that it writes. */
  readonly writes?: string
  readonly idempotent: boolean
  readonly signal?: AbortSignal | undefined
  readonly act: () => R
}

type Signalled = { readonly signal?: AbortSignal }

/** The client of the product as far as the product uses it; the cast below keeps that honest. */
export class SimulatedClient {
  readonly #options: ClientOptions

  constructor(options: ClientOptions) {
    this.#options = options
  }

  get asClient(): KubeClient {
    return this as unknown as KubeClient
  }

  async get(type: ResourceType, { name }: { name: string }, { signal }: Signalled = {}): Promise<Stored | undefined> {
    const { api } = this.#options.server
    const found = await this.#call({ idempotent: true, signal, act: () => api.get(type.plural, name) })
    return found && this.#see(type.plural, found)
  }

  async list(
    type: ResourceType,
    options: Signalled & { fieldSelector?: string; project?: (object: Stored) => Stored } = {},
  ): Promise<ListResult<KubeObject>> {
    const { api } = this.#options.server
    const { plural } = type
    const { items, version } = await this.#call({
      idempotent: true,
      signal: options.signal,
      act: () => ({ items: api.list(plural), version: api.version }),
    })
    const matching = items.filter(matches(options.fieldSelector)).flatMap((item) => this.#see(plural, item) ?? [])
    for (const object of items) this.#options.onSeen?.(plural, { version, type: 'ADDED', object })
    return { items: options.project ? matching.map(options.project) : matching, resourceVersion: String(version) }
  }

  create(type: ResourceType, object: Sent, { signal }: Signalled = {}): Promise<Stored> {
    const { server, who } = this.#options
    if (type.plural === 'events') return Promise.resolve(object as Stored)
    const act = (): Stored => server.api.create(who, type.plural, object)
    return this.#call({ writes: type.plural, idempotent: false, signal, act })
  }

  apply(type: ResourceType, object: Sent, options: Signalled & { subresource?: string }): Promise<Stored> {
    const { api } = this.#options.server
    const { tampering, who } = this.#options
    const { metadata, spec, status } = tampering.sent?.(type.plural, object) ?? object
    const { name = '', uid, resourceVersion, annotations, labels, ownerReferences } = metadata
    const expected = { name, ...(uid && { uid }), ...(resourceVersion && { resourceVersion }) }
    const act = (): Stored => {
      if (uid && !api.get(type.plural, name)) throw refused(409, 'Conflict', 'no object with this uid')
      return api.update(who, type.plural, expected, (before) =>
        options.subresource === 'status'
          ? { status: status as Record<string, unknown> }
          : {
              spec: spec as Record<string, unknown>,
              metadata: {
                ...before.metadata,
                ...(annotations && { annotations }),
                ...(labels && { labels }),
                ...(ownerReferences && { ownerReferences }),
              },
            },
      )
    }
    return this.#call({ writes: type.plural, idempotent: true, signal: options.signal, act })
  }

  patch(
    type: ResourceType,
    { name }: { name: string },
    patch: object,
    options: Signalled & { kind: 'merge' | 'json' },
  ): Promise<Stored> {
    const { api } = this.#options.server
    const { tampering, who } = this.#options
    const { plural } = type
    const isMerge = options.kind === 'merge'
    const act = (): Stored => {
      if (!isMerge) {
        return api.update(who, plural, { name }, (before) => ({
          status: patchStatus(before, patch as Operation[]),
        }))
      }
      const sent: Partial<Sent> = tampering.patched?.(plural, patch) ?? patch
      const { uid, resourceVersion, ...metadata } = sent.metadata ?? {}
      const expected = { name, ...(uid && { uid }), ...(resourceVersion && { resourceVersion }) }
      return api.update(who, plural, expected, (before) =>
        merge(before as object as Record<string, unknown>, { ...sent, metadata }),
      )
    }
    return this.#call({ writes: plural, idempotent: isMerge, signal: options.signal, act })
  }

  async delete(type: ResourceType, { name }: { name: string }): Promise<boolean> {
    const { server, who } = this.#options
    return this.#call({ writes: type.plural, idempotent: true, act: () => server.api.remove(who, type.plural, name) })
  }

  /** Kinds that gates ask about. */
  async discover(apiVersion: string): Promise<ResourceType[]> {
    await this.#call({ idempotent: true, act: () => undefined })
    return apiVersion === 'v1' ? [ConfigMaps] : []
  }

  async evict({ name, uid }: { name: string; uid: string }) {
    const { api } = this.#options.server
    const { who } = this.#options
    const act = (): void => {
      const pod = api.get('pods', name)
      if (!pod) throw refused(404, 'NotFound', 'gone')
      if (isGuarded(api, pod)) throw refusedByBudget()
      const deletionTimestamp = pod.metadata.deletionTimestamp ?? 'now'
      api.update(who, 'pods', { name, uid }, () => ({ metadata: { deletionTimestamp } }))
    }
    try {
      await this.#call({ writes: 'pods', idempotent: false, act })
      return { evicted: true }
    } catch (error) {
      const outcome = evictionOutcome(error)
      if (outcome) return outcome
      throw error
    }
  }

  async *watch(
    type: ResourceType,
    options: { resourceVersion: string; fieldSelector?: string; signal: AbortSignal },
  ): AsyncGenerator<WatchEvent<KubeObject>> {
    const { signal } = options
    const stream = await this.#call({ idempotent: true, signal, act: () => this.#open(type.plural, options) })
    try {
      for (;;) {
        for (let event = stream.queue.shift(); event; event = stream.queue.shift()) yield event
        if (signal.aborted || stream.end) return
        if (stream.error) throw stream.error
        await new Promise<void>((resolve) => {
          stream.wake = resolve
        })
      }
    } finally {
      stream.close()
    }
  }

  #see(plural: string, object: Stored): Stored | undefined {
    const { seen } = this.#options.tampering
    return seen ? seen(plural, object) : object
  }

  #open(plural: string, options: { resourceVersion: string; fieldSelector?: string; signal: AbortSignal }): Stream {
    const { server, schedule, process, link, random } = this.#options
    const from = Number(options.resourceVersion)
    if (from < server.api.compacted) throw refused(410, 'Expired', 'too old resource version')
    const match = matches(options.fieldSelector)
    const stream = new Stream()
    let lastMs = 0
    const ownLagMs = 2 + random() * 40
    const deliver = (change: Change): void => {
      if (!match(change.object)) return
      if (link.answersLostUntilMs > schedule.nowMs) {
        stream.break(schedule, process)
        return
      }
      const lagMs = schedule.nowMs < link.lagUntilMs ? link.lagMs * random() : 0
      lastMs = Math.max(lastMs, schedule.nowMs + ownLagMs + lagMs)
      schedule.at(lastMs, process, () => {
        if (stream.isBroken) return
        this.#options.onSeen?.(plural, change)
        const object = change.type === 'DELETED' ? change.object : this.#see(plural, change.object)
        if (!object) return
        stream.push({ type: change.type, object })
        schedule.resume()
      })
    }
    const watched = { plural, name: nameIn(options.fieldSelector), version: from }
    stream.onClose = server.api.watch(watched, (change) => {
      if (process.alive) deliver(change)
      else stream.close()
    })
    streams.get(process)?.add(stream) ?? streams.set(process, new Set([stream]))
    options.signal.addEventListener('abort', () => stream.wake(), { once: true })
    schedule.after(290_000 + random() * 300_000, process, () => {
      stream.end = true
      stream.wake()
      schedule.resume()
    })
    return stream
  }

  async #call<R>(call: Call<R>): Promise<R> {
    const { random, clock } = this.#options
    for (let failures = 1; ; failures++) {
      try {
        return await this.#once(call)
      } catch (error) {
        const delayMs = call.idempotent ? retryDelayMs(error, failures, defaultRetry, random) : undefined
        if (delayMs === undefined) throw error
        await clock.sleep(delayMs, call.signal)
        call.signal?.throwIfAborted()
      }
    }
  }

  /** A request that has left is carried out even if its sender dies. */
  #once<R>({ act, signal, writes }: Call<R>): Promise<R> {
    const { schedule, process, random } = this.#options
    return new Promise((resolve, reject) => {
      const answer = (afterMs: number, settle: () => void): void => {
        const now = (): void => {
          schedule.resume()
          settle()
        }
        if (afterMs === 0 && process.alive && process.pausedUntilMs <= schedule.nowMs) now()
        else schedule.after(afterMs, process, now)
      }
      signal?.addEventListener('abort', () => reject(signal.reason), { once: true })
      if (signal?.aborted) return reject(signal.reason)
      if (writes !== undefined && this.#options.mayWrite?.() === false) return reject(new Error('not sent'))
      if (writes !== undefined) this.#options.onRequest?.(writes)
      schedule.after(3 + random() * 30, undefined, () => {
        const { afterMs, error, result } = this.#arrive(act, writes !== undefined)
        answer(afterMs, () => (error ? reject(error) : resolve(result as R)))
      })
    })
  }

  #arrive<R>(act: () => R, isWrite: boolean): { afterMs: number; error?: Error; result?: R } {
    const { schedule, server, link, random } = this.#options
    const { nowMs } = schedule
    const lost = (): { afterMs: number; error: Error } => ({
      afterMs: timeoutMs,
      error: new ConnectionError('timed out'),
    })
    if (link.requestsLostUntilMs > nowMs) return lost()
    if (server.downUntilMs > nowMs) return { afterMs: 50, error: new ConnectionError('refused') }
    if (server.overloadedUntilMs > nowMs && random() < 0.6) return { afterMs: 20, error: overloaded(random) }
    try {
      const result = act()
      if (isWrite) this.#options.onWritten?.()
      if (link.answersLostUntilMs > nowMs) return lost()
      return { afterMs: random() < 0.8 ? 0 : random() * 60, result }
    } catch (error) {
      return { afterMs: 0, error: error as Error }
    }
  }
}

class Stream {
  readonly queue: WatchEvent<KubeObject>[] = []
  end = false
  error: Error | undefined
  isBroken = false
  wake: () => void = () => {}
  onClose: () => void = () => {}

  push(event: WatchEvent<KubeObject>): void {
    this.queue.push(event)
    this.wake()
  }

  /** The other side finds out only after a while: until then the watch is silent. */
  break(schedule: Schedule, process: Process): void {
    if (this.isBroken) return
    this.isBroken = true
    this.onClose()
    schedule.after(10_000, process, () => {
      this.error = new ConnectionError('the watch broke')
      this.wake()
      schedule.resume()
    })
  }

  close(): void {
    this.isBroken = true
    this.onClose()
  }
}

/** The open watches of a process, to break them. */
const streams = new WeakMap<Process, Set<Stream>>()

export function breakWatches(schedule: Schedule, process: Process): void {
  for (const stream of streams.get(process) ?? []) stream.break(schedule, process)
  streams.delete(process)
}

const ConfigMaps: ResourceType = { group: '', version: 'v1', plural: 'configmaps', kind: 'ConfigMap', namespaced: true }

/** Its disruption budget allows no eviction at the moment. */
export function isGuarded(api: Api, { spec }: Stored): boolean {
  return api.get('poddisruptionbudgets', `cart-${spec?.['nodeName']}`)?.status?.['disruptionsAllowed'] === 0
}

function overloaded(random: Random): KubeError {
  const body = { kind: 'Status', message: 'too many requests' }
  return random() < 0.5
    ? new KubeError('simulated', { status: 429, body, retryAfter: '1' })
    : new KubeError('simulated', { status: 503, body })
}

function refusedByBudget(): KubeError {
  const message = 'The disruption budget cart needs 1 healthy pods and has 1 currently'
  const details = { causes: [{ reason: 'DisruptionBudget', message }] }
  return new KubeError('simulated', { status: 429, body: { kind: 'Status', message: 'Cannot evict', details } })
}

function nameIn(selector: string | undefined): string | undefined {
  const [path, value] = selector?.split('=') ?? []
  return path === 'metadata.name' ? value : undefined
}

function matches(selector: string | undefined): (object: Stored) => boolean {
  const [path, value] = selector?.split('=') ?? []
  if (path === 'metadata.name') return ({ metadata }) => metadata.name === value
  if (path === 'spec.nodeName') return ({ spec }) => spec?.['nodeName'] === value
  return () => true
}
