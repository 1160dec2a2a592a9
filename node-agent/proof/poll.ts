/** Looks again until something is there. */
import type { Clock } from '../../kube/clock.ts'

const pauseMs = 10

/** What is looked for is there within this, or it is not coming: the calls before it have all returned. */
const usualMs = 5_000

/**
 * The first thing that `look` finds. Throws `missing()` when it finds nothing within 5 s or what the proof has left,
 * whichever is less. Looks once before it waits.
 */
export async function poll<T>(
  { clock, remainingMs }: { clock: Clock; remainingMs: () => number },
  look: () => Promise<T | undefined>,
  missing: () => string,
): Promise<T> {
  const end = clock.monotonicMs() + Math.min(usualMs, remainingMs())
  for (;;) {
    const value = await look()
    if (value !== undefined) return value
    if (clock.monotonicMs() + pauseMs > end) throw new Error(missing())
    await clock.sleep(pauseMs)
  }
}
