import type { Change } from '../journal/records.ts'
import { isStopped, type Step, type StepContext, startAnew, stopIfActive } from './step.ts'
import { toRunOn, toStart, toStop } from './units.ts'

/** Removing pods is only an attempt: an engine that does not serve cannot, and then the former engine does it. */
const attemptMs = 15_000

async function tryRemovingPods(context: StepContext): Promise<void> {
  const { change, clock, findings, runtime, provisions, limit } = context
  const { endpoint, isInKubelet, name } = change.to
  if (isInKubelet) return void (await provisions.removePods(name, attemptMs).catch(() => 0))
  // Those that a newer program has made, and that the former one could not handle.
  const kept = isDrained(change) ? [] : findings.kept
  if (!kept) return
  const attempt = new AbortController()
  void clock.sleep(attemptMs, attempt.signal).then(() => attempt.abort())
  const signal = AbortSignal.any([limit.signal, attempt.signal])
  const untilMs = Math.min(limit.untilMs, clock.monotonicMs() + attemptMs)
  await runtime.removePods(endpoint, { signal, untilMs }, kept).catch(() => 0)
  attempt.abort()
}

/** Whether no pod is meant to outlive the change. */
export function isDrained({ action }: Pick<Change, 'action'>): boolean {
  return action === 'DrainRestart' || action === 'DrainSwitch'
}

/** Whether pods run on while the engine's program is exchanged under them. */
export function keepsPods(change: Pick<Change, 'action' | 'from' | 'to'>): boolean {
  return !isDrained(change) && change.from.version !== change.to.version
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
