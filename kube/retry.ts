// When to try again, and how long to wait.
import { ConnectionError, KubeError } from './errors.ts'

export interface RetryPolicy {
  /** Tries in all; 1 means never again. */
  readonly attempts: number
  readonly baseMs: number
  readonly capMs: number
}

export const defaultRetry: RetryPolicy = { attempts: 4, baseMs: 200, capMs: 5_000 }

/** A server that asks for a longer pause gets its error handed to the caller, who has a queue to wait in. */
const longestRetryAfterSeconds = 30

/** Full jitter: any time up to `base * 2^failures`, so that many clients that failed together do not return together. */
export function backoffMs(failures: number, policy: Omit<RetryPolicy, 'attempts'>, random: () => number): number {
  return random() * Math.min(policy.capMs, policy.baseMs * 2 ** Math.min(failures, 30))
}

/**
 * How long to wait before the same idempotent request is sent again; undefined: hand the error to the caller.
 * `failures` counts the tries so far, this one included.
 */
export function retryDelayMs(
  error: unknown,
  failures: number,
  policy: RetryPolicy,
  random: () => number,
): number | undefined {
  if (failures >= policy.attempts || !isTransient(error)) return undefined
  const jitterMs = backoffMs(failures - 1, policy, random)
  const askedSeconds = error instanceof KubeError ? error.retryAfterSeconds : undefined
  if (askedSeconds === undefined) return jitterMs
  return askedSeconds > longestRetryAfterSeconds ? undefined : askedSeconds * 1000 + jitterMs
}

/** Nothing is wrong with the request itself. */
export function isTransient(error: unknown): boolean {
  if (error instanceof ConnectionError) return true
  return error instanceof KubeError && (error.status === 429 || error.status >= 500)
}
