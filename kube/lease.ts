import type { KubeClient } from './client.ts'
import type { Clock } from './clock.ts'
import { microTime } from './clock.ts'
import { isAlreadyExists, isConflict, isNotFound } from './errors.ts'
import type { Log } from './log.ts'
import { leaderGauge, type Metrics, noMetrics } from './metrics.ts'
import { type KubeObject, Leases } from './resource.ts'

export interface LeaderElectorOptions {
  readonly client: Pick<KubeClient, 'get' | 'create' | 'patch'>
  readonly namespace: string
  readonly name: string
  /** Another one for each process, a restart in the same pod included. */
  readonly identity: string
  readonly clock: Clock
  readonly log: Log
  readonly metrics?: Metrics
  /** Others wait so long after the last renewal that they saw. */
  readonly leaseSeconds?: number
  /** Leadership is given up when no renewal succeeds for so long; shorter than the lease. */
  readonly renewDeadlineSeconds?: number
  /** Between two tries to acquire or renew. */
  readonly retrySeconds?: number
}

export interface LeaderRun {
  readonly signal: AbortSignal
  /**
   * The work of the leader, until its signal aborts. `epoch` is a fencing token: it grows with each change of
   * leadership, and whoever receives commands can refuse those of a lower one.
   */
  readonly onStarted: (epoch: number, leaderSignal: AbortSignal) => Promise<void>
}

/** Given back in order, or taken away: then the process had better exit at once. */
export type LeaderEnd = 'released' | 'lost'

export type LeaderState =
  | { readonly phase: 'stopped' }
  | { readonly phase: 'waiting'; readonly holder: string | undefined }
  | {
      readonly phase: 'leading'
      readonly epoch: number
      /** Monotonic time at which the last renewal that succeeded was sent. */
      readonly renewedAtMs: number
      /** The version of the lease that we wrote: a later write by anybody else makes our next one fail. */
      readonly resourceVersion: string
    }

type Leading = LeaderState & { phase: 'leading' }

interface LeaseSpec {
  holderIdentity?: string | null
  leaseDurationSeconds?: number
  acquireTime?: string
  renewTime?: string
  leaseTransitions?: number
}

export interface Lease extends KubeObject {
  spec?: LeaseSpec
}

/**
 * Leader election on a Lease.
 *
 * Guarantees: the epoch of a leader is higher than that of every leader before it; a leader that cannot renew
 * stops `leaseSeconds - renewDeadlineSeconds` before another one may start. Time of other machines is not trusted: a
 * lease has expired when its content did not change for its duration on our own monotonic clock.
 * Cannot prevent that a leader which its machine paused goes on for a moment after the pause: `isLeading`, asked before
 * each write, is for that, and the epoch for a write that stayed on its way.
 */
export class LeaderElector {
  readonly #options: LeaderElectorOptions
  readonly #leaseSeconds: number
  readonly #renewDeadlineMs: number
  readonly #retryMs: number
  readonly #log: Log
  #state: LeaderState = { phase: 'stopped' }
  /** The content of the lease when last seen, and since when it has been the same. */
  #seen: { readonly content: string; readonly sinceMs: number } | undefined

  constructor(options: LeaderElectorOptions) {
    const { leaseSeconds = 15, renewDeadlineSeconds = 10, retrySeconds = 2 } = options
    if (!(retrySeconds < renewDeadlineSeconds && renewDeadlineSeconds < leaseSeconds)) {
      throw new Error('leader election needs retrySeconds < renewDeadlineSeconds < leaseSeconds')
    }
    this.#options = options
    this.#leaseSeconds = leaseSeconds
    this.#renewDeadlineMs = renewDeadlineSeconds * 1000
    this.#retryMs = retrySeconds * 1000
    this.#log = options.log.with({ lease: `${options.namespace}/${options.name}`, identity: options.identity })
  }

  get state(): LeaderState {
    return this.#state
  }

  /** Whether we lead, by our own clock: true also right after a pause only if nobody can have taken over meanwhile. */
  get isLeading(): boolean {
    return this.#state.phase === 'leading' && this.#leftMs(this.#state) > 0
  }

  /**
   * Waits for leadership, leads, and ends when that is lost, when the work has ended, or when the signal aborts. In
   * the last case the work is waited for, still under the lease, and the lease is released for the next leader.
   * Rejects with the error of the work.
   */
  async run({ signal, onStarted }: LeaderRun): Promise<LeaderEnd> {
    const leading = await this.#acquire(signal)
    if (!leading) return 'released'
    const leader = new AbortController()
    const finished = new AbortController()
    const stop = (): void => leader.abort(signal.reason)
    signal.addEventListener('abort', stop)
    if (signal.aborted) stop()
    const work = (async () => onStarted(leading.epoch, leader.signal))().finally(() => finished.abort())
    // When leadership is lost nobody waits for the work any more, and its complaints must not end the process.
    work.catch(() => {})
    try {
      if (!(await this.#renewUntil(finished.signal))) {
        leader.abort(new Error('leadership was lost'))
        return 'lost'
      }
      await this.#release()
      await work
      return 'released'
    } finally {
      signal.removeEventListener('abort', stop)
      this.#enter({ phase: 'stopped' })
    }
  }

  async #acquire(signal: AbortSignal): Promise<Leading | undefined> {
    this.#enter({ phase: 'waiting', holder: undefined })
    while (!signal.aborted) {
      try {
        const leading = await this.#within(this.#renewDeadlineMs, (limit) => this.#tryAcquire(limit))
        if (leading) return leading
      } catch (error) {
        this.#log.warn('lease cannot be acquired yet', { error })
      }
      await this.#options.clock.sleep(this.#retryMs, signal)
    }
    this.#enter({ phase: 'stopped' })
    return undefined
  }

  async #tryAcquire(signal: AbortSignal): Promise<Leading | undefined> {
    const { client, clock, identity, namespace, name } = this.#options
    const lease = await client.get<Lease>(Leases, { namespace, name }, { signal })
    const sentAtMs = clock.monotonicMs()
    if (!lease) return this.#create(sentAtMs, signal)
    const spec = lease.spec ?? {}
    if (!this.#isFree(spec)) {
      this.#enter({ phase: 'waiting', holder: spec.holderIdentity ?? undefined })
      return undefined
    }
    const now = microTime(clock.now())
    const epoch = (spec.leaseTransitions ?? 0) + 1
    const taken = { holderIdentity: identity, acquireTime: now, leaseTransitions: epoch }
    return this.#write(lease.metadata.resourceVersion ?? '', taken, { epoch, sentAtMs, signal })
  }

  /** Free: nobody holds it, we do (the answer to our own write was lost), or the holder did not renew in time. */
  #isFree(spec: LeaseSpec): boolean {
    const nowMs = this.#options.clock.monotonicMs()
    const content = JSON.stringify(spec)
    if (this.#seen?.content !== content) this.#seen = { content, sinceMs: nowMs }
    if (!spec.holderIdentity || spec.holderIdentity === this.#options.identity) return true
    return nowMs - this.#seen.sinceMs >= (spec.leaseDurationSeconds ?? this.#leaseSeconds) * 1000
  }

  async #create(sentAtMs: number, signal: AbortSignal): Promise<Leading | undefined> {
    const { client, clock, identity, namespace, name } = this.#options
    const now = clock.now()
    const epoch = firstEpoch(now)
    const spec = {
      holderIdentity: identity,
      leaseDurationSeconds: this.#leaseSeconds,
      acquireTime: microTime(now),
      renewTime: microTime(now),
      leaseTransitions: epoch,
    }
    try {
      const lease = await client.create<Lease>(Leases, { metadata: { namespace, name }, spec }, { signal })
      signal.throwIfAborted()
      return this.#lead(lease, epoch, sentAtMs)
    } catch (error) {
      if (isAlreadyExists(error)) return undefined
      throw error
    }
  }

  /** Writes the lease if it still is at this version; undefined when it is not. */
  async #write(
    resourceVersion: string,
    spec: LeaseSpec,
    { epoch, sentAtMs, signal }: { epoch: number; sentAtMs: number; signal: AbortSignal },
  ): Promise<Leading | undefined> {
    const { client, clock, namespace, name } = this.#options
    const full = { leaseDurationSeconds: this.#leaseSeconds, renewTime: microTime(clock.now()), ...spec }
    const patch = { metadata: { resourceVersion }, spec: full }
    try {
      const lease = await client.patch<Lease>(Leases, { namespace, name }, patch, { kind: 'merge', signal })
      // An answer after the deadline must not bring a leader back that has stopped already.
      signal.throwIfAborted()
      return this.#lead(lease, epoch, sentAtMs)
    } catch (error) {
      if (isConflict(error)) return undefined
      throw error
    }
  }

  #lead(lease: Lease, epoch: number, renewedAtMs: number): Leading {
    const { resourceVersion = '' } = lease.metadata
    const leading: Leading = { phase: 'leading', epoch, renewedAtMs, resourceVersion }
    this.#enter(leading)
    return leading
  }

  /** Renews until the signal aborts (true) or leadership is lost (false). */
  async #renewUntil(finished: AbortSignal): Promise<boolean> {
    const { clock } = this.#options
    const leftMs = (): number => this.#leftMs(this.#state as Leading)
    for (;;) {
      await clock.sleep(Math.min(this.#retryMs, Math.ceil(leftMs())), finished)
      if (finished.aborted) return true
      const state = this.#state as Leading
      if (leftMs() <= 0) {
        this.#log.error('lease was not renewed in time', { epoch: state.epoch })
        return false
      }
      try {
        if (!(await this.#within(leftMs(), (limit) => this.#renew(state, limit)))) return false
      } catch (error) {
        this.#log.warn('lease was not renewed', { error })
      }
    }
  }

  /** Until leadership has to be given up, should no renewal succeed. */
  #leftMs({ renewedAtMs }: Leading): number {
    return renewedAtMs + this.#renewDeadlineMs - this.#options.clock.monotonicMs()
  }

  /** False when somebody else has the lease, or nobody: it was deleted. */
  async #renew(state: Leading, signal: AbortSignal): Promise<boolean> {
    const { client, clock, identity, namespace, name } = this.#options
    const sentAtMs = clock.monotonicMs()
    try {
      const { epoch, resourceVersion } = state
      if (await this.#write(resourceVersion, {}, { epoch, sentAtMs, signal })) return true
    } catch (error) {
      if (isNotFound(error)) return false
      throw error
    }
    // Ours still: the answer to our last write was lost, or somebody put a label on it. Go on from its version.
    const lease = await client.get<Lease>(Leases, { namespace, name }, { signal })
    signal.throwIfAborted()
    if (lease?.spec?.holderIdentity !== identity || lease.spec.leaseTransitions !== state.epoch) return false
    this.#lead(lease, state.epoch, state.renewedAtMs)
    return true
  }

  async #release(): Promise<void> {
    const { client, clock, namespace, name } = this.#options
    const { resourceVersion } = this.#state as Leading
    const spec = { holderIdentity: null, renewTime: microTime(clock.now()) }
    const patch = { metadata: { resourceVersion }, spec }
    try {
      await this.#within(this.#renewDeadlineMs, (signal) =>
        client.patch<Lease>(Leases, { namespace, name }, patch, { kind: 'merge', signal }),
      )
    } catch (error) {
      this.#log.warn('lease was not released; the next leader has to wait until it expires', { error })
    }
  }

  /** The result of a call, or an error after `ms`, measured by the injected clock. */
  async #within<R>(ms: number, call: (signal: AbortSignal) => Promise<R>): Promise<R> {
    const done = new AbortController()
    const limit = new AbortController()
    const expired = this.#options.clock.sleep(ms, done.signal).then(() => {
      const error = new Error(`the API server did not answer within ${ms} ms`)
      limit.abort(error)
      throw error
    })
    try {
      const result = call(limit.signal)
      return await Promise.race([result, expired])
    } finally {
      done.abort()
      expired.catch(() => {})
    }
  }

  #enter(state: LeaderState): void {
    const { metrics = noMetrics, name } = this.#options
    if (state.phase !== this.#state.phase) this.#log.info('leader election', { ...state })
    metrics.set(leaderGauge, { lease: name }, state.phase === 'leading' ? 1 : 0)
    this.#state = state
  }
}

/**
 * The epoch of a lease that is made anew: the minutes since 1970. A lease that somebody deletes comes back with a higher epoch than it had, as long as
 * leadership changes less than once a minute on the average; starting from 0 would let every old command through.
 */
export function firstEpoch(now: Date): number {
  return Math.floor(now.getTime() / 60_000)
}
