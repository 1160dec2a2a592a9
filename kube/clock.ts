// Time, injected so that tests can move it.

export interface Clock {
  /** Wall time: for people and for fields of the API, never for deadlines. */
  now(): Date
  /** Milliseconds that never jump: for durations and deadlines. The origin is arbitrary. */
  monotonicMs(): number
  /** Resolves after `ms`, or as soon as the signal aborts: check the signal after it. Never rejects. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>
}

export const systemClock: Clock = {
  now: () => new Date(),
  monotonicMs: () => performance.now(),
  sleep: (ms, signal) =>
    new Promise((resolve) => {
      if (signal?.aborted) return resolve()
      const end = (): void => {
        clearTimeout(timer)
        signal?.removeEventListener('abort', end)
        resolve()
      }
      const timer = setTimeout(end, ms)
      signal?.addEventListener('abort', end)
    }),
}

/**
 * The same text as `toISOString`, which brings 4 MB of the program into memory the first time: the agent's processes are
 * to stay below 60.
 */
export function rfc3339(date: Date): string {
  const two = (value: number): string => String(value).padStart(2, '0')
  const day = [String(date.getUTCFullYear()).padStart(4, '0'), two(date.getUTCMonth() + 1), two(date.getUTCDate())]
  const time = [date.getUTCHours(), date.getUTCMinutes(), date.getUTCSeconds()].map(two)
  return `${day.join('-')}T${time.join(':')}.${String(date.getUTCMilliseconds()).padStart(3, '0')}Z`
}

/** Wall time as the API's MicroTime, which is refused without exactly six digits of a second. */
export function microTime(date: Date): string {
  return rfc3339(date).replace('Z', '000Z')
}
