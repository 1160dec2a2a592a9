/** Applies and reverts steps. */
import type { BootClock } from '../host/boot-clock.ts'
import type { Host } from '../host/host.ts'
import type { Change, Why } from '../journal/records.ts'
import type { Store } from '../journal/store.ts'
import { steps } from '../steps/index.ts'
import type { Runtime, StepContext, StepName } from '../steps/step.ts'
import { timeoutSeconds } from './machine.ts'
import type { Work } from './work.ts'

export interface Acting {
  readonly host: Host
  readonly clock: BootClock
  readonly runtime: Runtime
  readonly store: Store
  readonly kubeletHealthy: (healthz: Change['healthz']) => Promise<boolean>
}

/** A rollback has no deadline as a whole, but no single wait of it lasts for ever. */
const undoTimeoutSeconds = 120

type Found = StepContext['found']

function contextOf(acting: Acting, work: Work, found: Found, signal: AbortSignal): StepContext {
  const { host, clock, runtime, store, kubeletHealthy } = acting
  const { change, order } = work
  const withReserve = (act: () => Promise<void>): Promise<void> => store.withReserve(act)
  return {
    host,
    clock,
    runtime,
    blobs: store.blobs,
    withReserve,
    kubeletHealthy,
    change,
    image: order.image,
    signal,
    found,
  }
}

/** Runs `act` with a signal that aborts after `ms`, or with `controller` before. */
async function within<T>(
  clock: BootClock,
  ms: number,
  controller: AbortController,
  act: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const over = new AbortController()
  const timer = clock.sleep(Math.max(0, ms), over.signal).then(() => {
    if (!over.signal.aborted) controller.abort(new Error('The time is up.'))
  })
  try {
    return await act(controller.signal)
  } finally {
    over.abort()
    await timer
  }
}

/** Applies one step; throws when its effect is not there afterwards. `interrupt` ends it early. */
export async function applyStep(
  acting: Acting,
  work: Work,
  step: { readonly name: StepName; readonly untilMs: number; readonly interrupt: AbortController },
  found: Found,
): Promise<void> {
  const { name, untilMs, interrupt } = step
  const { check, apply } = steps[name]
  await within(acting.clock, untilMs - acting.clock.monotonicMs(), interrupt, async (signal) => {
    const context = contextOf(acting, work, found, signal)
    if (check && (await check(context))) return
    await apply(context)
    if (check && !(await check(context))) throw new Error(`The effect of step ${name} is not there.`)
  })
}

/** Reverts one step; tells what went wrong instead of throwing: the steps before it are reverted in any case. */
export async function revertStep(acting: Acting, work: Work, name: StepName, found: Found): Promise<Why | undefined> {
  const { revert } = steps[name]
  if (!revert) return undefined
  const seconds = Math.max(undoTimeoutSeconds, timeoutSeconds(work.order))
  try {
    await within(acting.clock, seconds * 1000, new AbortController(), (signal) =>
      revert(contextOf(acting, work, found, signal)),
    )
    return undefined
  } catch (error) {
    return { reason: 'RollbackFailed', message: (error as Error).message, step: name }
  }
}
