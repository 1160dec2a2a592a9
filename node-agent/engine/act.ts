/** Applies and reverts steps. */
import type { BootClock } from '../host/boot-clock.ts'
import type { Host } from '../host/host.ts'
import type { Change, Why } from '../journal/records.ts'
import type { Store } from '../journal/store.ts'
import { steps } from '../steps/index.ts'
import type { Limit, Provisions, Runtime, StepContext, StepName } from '../steps/step.ts'
import { timeoutSeconds } from './machine.ts'
import type { Work } from './work.ts'

export interface Acting {
  readonly host: Host
  readonly clock: BootClock
  readonly runtime: Runtime
  readonly provisions: Provisions
  readonly store: Store
  readonly kubeletHealthy: (healthz: NonNullable<Change['healthz']>) => Promise<boolean>
}

/** A rollback has no deadline as a whole, but no single wait of it lasts for ever. */
const undoTimeoutSeconds = 120

type Found = StepContext['found']

function contextOf(acting: Acting, work: Work, found: Found, limit: Limit): StepContext {
  const { host, clock, runtime, provisions, store, kubeletHealthy } = acting
  const withReserve = (act: () => Promise<void>): Promise<void> => store.withReserve(act)
  const { blobs } = store
  const { change, findings } = work
  const parts = { host, clock, runtime, provisions, blobs, withReserve, kubeletHealthy }
  return { ...parts, change, findings, limit, found }
}

/** Runs `act` within a limit that `interrupt` can end early. */
async function within(
  clock: BootClock,
  untilMs: number,
  interrupt: AbortController,
  act: (limit: Limit) => Promise<void>,
): Promise<void> {
  const over = new AbortController()
  const timer = clock.sleep(Math.max(0, untilMs - clock.monotonicMs()), over.signal).then(() => {
    if (!over.signal.aborted) interrupt.abort(new Error('The time is up.'))
  })
  try {
    await act({ untilMs, signal: interrupt.signal })
  } finally {
    over.abort()
    await timer
  }
}

export interface Applying {
  readonly name: StepName
  readonly untilMs: number
  /** Ends the step early. */
  readonly interrupt: AbortController
}

/** Applies one step; throws when its effect is not there afterwards. */
export async function applyStep(acting: Acting, work: Work, applying: Applying, found: Found): Promise<void> {
  const { name, untilMs, interrupt } = applying
  const { check, apply } = steps[name]
  await within(acting.clock, untilMs, interrupt, async (limit) => {
    const context = contextOf(acting, work, found, limit)
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
  const untilMs = acting.clock.monotonicMs() + seconds * 1000
  try {
    await within(acting.clock, untilMs, new AbortController(), (limit) => revert(contextOf(acting, work, found, limit)))
    return undefined
  } catch (error) {
    return { reason: 'RollbackFailed', message: (error as Error).message, step: name }
  }
}
