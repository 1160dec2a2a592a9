import type { Clock } from './clock.ts'
import { systemClock } from './clock.ts'
import { TerminalError } from './errors.ts'
import type { Log } from './log.ts'
import { type Metrics, noMetrics, reconcileSeconds, reconcileTotal } from './metrics.ts'
import type { WorkQueue } from './workqueue.ts'

export interface ReconcileResult {
  /** Look again after so long although nothing changed. */
  readonly requeueAfterMs?: number
}

/** Brings one object to what is wanted. Level-based: it must not matter which event, or how many, led here. */
// biome-ignore lint/suspicious/noConfusingVoidType: most reconcilers have nothing to say and end without a return
export type Reconcile = (key: string, signal: AbortSignal) => Promise<ReconcileResult | void>

export interface ControllerOptions {
  readonly name: string
  readonly queue: WorkQueue
  readonly reconcile: Reconcile
  /** Keys at a time; one key is never worked on twice at a time. */
  readonly concurrency: number
  /** The signal that a reconcile is given aborts after so long. */
  readonly timeoutMs: number
  readonly signal: AbortSignal
  readonly log: Log
  readonly metrics?: Metrics
  readonly clock?: Clock
}

type Result = 'success' | 'requeue_after' | 'error' | 'terminal_error'

/**
 * Works on the queue until the signal aborts, then waits for what runs.
 *
 * | reconcile            | the key                                                  |
 * |----------------------|----------------------------------------------------------|
 * | returns              | is forgotten                                             |
 * | asks for a requeue   | comes back after that time                               |
 * | throws TerminalError | is logged and forgotten: only a new event brings it back |
 * | throws anything else | comes back after its backoff                             |
 */
export async function runController(options: ControllerOptions): Promise<void> {
  const { queue, signal, concurrency } = options
  const worker = async (): Promise<void> => {
    for (let key = await queue.get(signal); key !== undefined; key = await queue.get(signal)) {
      await processKey(options, key)
      queue.done(key)
    }
  }
  await Promise.all(Array.from({ length: concurrency }, worker))
}

async function processKey(options: ControllerOptions, key: string): Promise<void> {
  const { name, queue, signal, metrics = noMetrics, clock = systemClock } = options
  const log = options.log.with({ controller: name, key })
  const startedAtMs = clock.monotonicMs()
  let result: Result
  try {
    result = accept(queue, key, await reconcileInTime(options, key))
  } catch (error) {
    // What fails because we are stopping says nothing about the object.
    if (signal.aborted) return
    result = refuse(queue, key, error)
    log.error(result === 'terminal_error' ? 'reconcile failed for good' : 'reconcile failed', { error })
  }
  metrics.add(reconcileTotal, { controller: name, result })
  metrics.observe(reconcileSeconds, { controller: name }, (clock.monotonicMs() - startedAtMs) / 1000)
}

function accept(queue: WorkQueue, key: string, result: ReconcileResult | undefined): Result {
  queue.forget(key)
  if (result?.requeueAfterMs === undefined) return 'success'
  queue.addAfter(key, result.requeueAfterMs)
  return 'requeue_after'
}

function refuse(queue: WorkQueue, key: string, error: unknown): Result {
  if (error instanceof TerminalError) {
    queue.forget(key)
    return 'terminal_error'
  }
  queue.addRateLimited(key)
  return 'error'
}

/**
 * A reconcile that ignores its signal keeps its worker: were it abandoned, the same key could be worked on twice at
 * a time. Calls of the client end on their own, so that this cannot last.
 */
async function reconcileInTime(options: ControllerOptions, key: string): Promise<ReconcileResult | undefined> {
  const { name, reconcile, signal, timeoutMs, clock = systemClock } = options
  const timeout = new AbortController()
  const finished = new AbortController()
  void clock.sleep(timeoutMs, finished.signal).then(() => {
    if (finished.signal.aborted) return
    timeout.abort(new Error(`${name} gave up on ${key} after ${timeoutMs} ms`))
  })
  try {
    return (await reconcile(key, AbortSignal.any([signal, timeout.signal]))) ?? undefined
  } finally {
    finished.abort()
  }
}
