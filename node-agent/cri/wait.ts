/** Waits for an engine that was just started. */
import type { Clock } from '../../kube/clock.ts'
import { CriClient } from './client.ts'
import type { CriError } from './error.ts'

/** Short against the start of an engine (130 ms and more), long against the cost of a try (1 ms). */
const pauseMs = 20
/** An engine that is asked too early may take the call and never answer it. */
const tryMs = 2_000

export interface WaitOptions {
  readonly deadlineMs: number
  readonly clock: Clock
}

/**
 * Resolves with a fresh client as soon as the engine answers Version and says RuntimeReady in its Status. Rejects at the
 * deadline with what the engine said last; at once when it runs without serving CRI, which no waiting mends.
 */
export async function waitForCri(socket: string, { deadlineMs, clock }: WaitOptions): Promise<CriClient> {
  const end = clock.monotonicMs() + deadlineMs
  let failure: Error | undefined
  for (;;) {
    const leftMs = end - clock.monotonicMs()
    // A try without time would only say that there was none.
    if (failure && leftMs < pauseMs) {
      throw new Error(`the engine did not become ready within ${deadlineMs} ms: ${failure.message}`, { cause: failure })
    }
    const client = new CriClient(socket)
    failure = await unready(client, Math.min(tryMs, leftMs)).catch((error: CriError) => error)
    if (!failure) return client
    client.close()
    if ('isNotServed' in failure && failure.isNotServed) throw failure
    await clock.sleep(pauseMs)
  }
}

async function unready(client: CriClient, deadlineMs: number): Promise<Error | undefined> {
  await client.call('version', {}, deadlineMs)
  const { status } = await client.call('status', {}, deadlineMs)
  const ready = status?.conditions.find(({ type }) => type === 'RuntimeReady')
  if (ready?.status) return undefined
  return new Error(`Status: RuntimeReady is false: ${ready?.message || ready?.reason || 'no reason given'}`)
}
