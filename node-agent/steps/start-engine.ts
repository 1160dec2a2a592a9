import type { Change } from '../journal/records.ts'
import { isStopped, type Step, type StepContext, startAnew, stopIfActive } from './step.ts'
import { toRunOn, toStart, toStop } from './units.ts'

/** Removing pods is only an attempt: an engine that does not serve cannot, and then the former engine does it. */
const attemptMs = 15_000

/** Pods that were made under the new state, and that the former engine could not handle. */
function madeSince({ from, to }: Change, openedAt: string): { readonly since?: string } | undefined {
  if (from.version === to.version) return undefined
  // Those of before were not drained: they run on.
  return { since: openedAt }
}

async function tryRemovingPods({ change, clock, runtime, provisions, limit, openedAt }: StepContext): Promise<void> {
  const { endpoint, isInKubelet, name } = change.to
  if (isInKubelet) return void (await provisions.removePods(name, attemptMs).catch(() => 0))
  const which = isDrained(change) ? {} : madeSince(change, openedAt)
  if (!which) return
  const attempt = new AbortController()
  void clock.sleep(attemptMs, attempt.signal).then(() => attempt.abort())
  const signal = AbortSignal.any([limit.signal, attempt.signal])
  const untilMs = Math.min(limit.untilMs, clock.monotonicMs() + attemptMs)
  await runtime.removePods(endpoint, { signal, untilMs }, which.since).catch(() => 0)
  attempt.abort()
}

/** Whether no pod is meant to outlive the change. */
export function isDrained({ action }: Pick<Change, 'action'>): boolean {
  return action === 'DrainRestart' || action === 'DrainSwitch'
}

export const startEngine: Step = {
  name: 'start-engine',
  apply: async (context) => {
    const { change, host, limit, runtime, clock } = context
    await startAnew(context, ...toStart(change))
    for (const unit of toRunOn(change)) {
      if (await isStopped(context, unit)) await host.startUnit(unit, limit.untilMs - clock.monotonicMs())
    }
    const { endpoint, isInKubelet, name } = change.to
    if (name !== 'none' && !isInKubelet) await runtime.ready(endpoint, limit)
  },
  revert: async (context) => {
    const stopped = await Promise.all(context.change.to.units.map((unit) => isStopped(context, unit)))
    if (context.change.to.name !== 'none' && !stopped.includes(true)) await tryRemovingPods(context)
    // After a boot both engines may run.
    for (const unit of toStop(context.change)) await stopIfActive(context, unit)
  },
}
