import type { Clock } from './clock.ts'
import { systemClock } from './clock.ts'
import { type Metrics, noMetrics, workqueueAddsTotal, workqueueDepth, workqueueRetriesTotal } from './metrics.ts'

export interface WorkQueueOptions {
  /** Label of the metrics. */
  readonly name: string
  readonly clock?: Clock
  readonly metrics?: Metrics
}

const firstRetryMs = 5
const longestRetryMs = 60_000
const retriesPerSecond = 10
const retryBurst = 100

/**
 * Keys to work on, each at most once at a time.
 *
 * A key that is added while it waits is there once; one that is added while it is worked on comes back when that
 * work is done. Whoever gets a key must call `done` for it.
 */
export class WorkQueue {
  readonly #name: string
  readonly #clock: Clock
  readonly #metrics: Metrics
  /** In order of arrival. */
  readonly #queued = new Set<string>()
  readonly #running = new Set<string>()
  /** Added while running. */
  readonly #again = new Set<string>()
  readonly #later = new Map<string, { dueMs: number; cancel: AbortController }>()
  readonly #failures = new Map<string, number>()
  readonly #waiters = new Set<() => void>()
  #tokens = retryBurst
  #refilledAtMs: number
  #isShutDown = false

  constructor({ name, clock = systemClock, metrics = noMetrics }: WorkQueueOptions) {
    this.#name = name
    this.#clock = clock
    this.#metrics = metrics
    this.#refilledAtMs = clock.monotonicMs()
  }

  add(key: string): void {
    if (this.#isShutDown || this.#queued.has(key)) return
    if (this.#running.has(key)) {
      this.#again.add(key)
      return
    }
    this.#queued.add(key)
    this.#metrics.add(workqueueAddsTotal, { name: this.#name })
    this.#reportDepth()
    this.#wakeOne()
  }

  /** Adds the key after `delayMs`. Of several delays for one key the one that ends first counts. */
  addAfter(key: string, delayMs: number): void {
    if (this.#isShutDown) return
    if (delayMs <= 0) {
      this.add(key)
      return
    }
    const dueMs = this.#clock.monotonicMs() + delayMs
    const planned = this.#later.get(key)
    if (planned && planned.dueMs <= dueMs) return
    planned?.cancel.abort()
    const cancel = new AbortController()
    this.#later.set(key, { dueMs, cancel })
    void this.#addWhenDue(key, delayMs, cancel.signal)
  }

  /**
   * Adds the key after its own backoff (5 ms doubling to 60 s, until `forget`) or later, when more than 100 retries
   * at once or 10 a second of the whole queue were asked for.
   */
  addRateLimited(key: string): void {
    const failures = this.#failures.get(key) ?? 0
    this.#failures.set(key, failures + 1)
    this.#metrics.add(workqueueRetriesTotal, { name: this.#name })
    const backoffMs = Math.min(longestRetryMs, firstRetryMs * 2 ** Math.min(failures, 30))
    this.addAfter(key, Math.max(backoffMs, this.#takeToken()))
  }

  /** The key succeeded: its next failure starts from the shortest backoff. */
  forget(key: string): void {
    this.#failures.delete(key)
  }

  /** The next key, when there is one; undefined when the signal aborts or the queue is shut down. */
  async get(signal: AbortSignal): Promise<string | undefined> {
    for (;;) {
      if (this.#isShutDown || signal.aborted) return undefined
      const [key] = this.#queued
      if (key !== undefined) {
        this.#queued.delete(key)
        this.#running.add(key)
        this.#reportDepth()
        return key
      }
      await this.#wait(signal)
    }
  }

  done(key: string): void {
    this.#running.delete(key)
    if (this.#again.delete(key)) this.add(key)
  }

  /** Drops what waits and ends every `get`. Work that runs is not touched. */
  shutDown(): void {
    this.#isShutDown = true
    for (const { cancel } of this.#later.values()) cancel.abort()
    this.#later.clear()
    this.#queued.clear()
    this.#again.clear()
    this.#reportDepth()
    for (const wake of this.#waiters) wake()
  }

  get depth(): number {
    return this.#queued.size
  }

  async #addWhenDue(key: string, delayMs: number, cancelled: AbortSignal): Promise<void> {
    await this.#clock.sleep(delayMs, cancelled)
    if (cancelled.aborted) return
    this.#later.delete(key)
    this.add(key)
  }

  /** Takes one token of the bucket, on credit when it is empty. Gives the milliseconds until the credit is earned. */
  #takeToken(): number {
    const nowMs = this.#clock.monotonicMs()
    const earned = ((nowMs - this.#refilledAtMs) / 1000) * retriesPerSecond
    this.#tokens = Math.min(retryBurst, this.#tokens + earned) - 1
    this.#refilledAtMs = nowMs
    return this.#tokens >= 0 ? 0 : (-this.#tokens / retriesPerSecond) * 1000
  }

  #wait(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        this.#waiters.delete(wake)
        signal.removeEventListener('abort', wake)
        resolve()
      }
      this.#waiters.add(wake)
      signal.addEventListener('abort', wake)
    })
  }

  #wakeOne(): void {
    const [wake] = this.#waiters
    wake?.()
  }

  #reportDepth(): void {
    this.#metrics.set(workqueueDepth, { name: this.#name }, this.#queued.size)
  }
}
