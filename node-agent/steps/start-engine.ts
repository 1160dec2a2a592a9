import { isStopped, type Step, type StepContext, startAnew, stopAll } from './step.ts'

/** Removing pods is only an attempt: an engine that does not serve cannot, and then the former engine does it. */
const attemptMs = 15_000

async function tryRemovingPods({ change, clock, runtime, limit }: StepContext): Promise<void> {
  const attempt = new AbortController()
  void clock.sleep(attemptMs, attempt.signal).then(() => attempt.abort())
  const signal = AbortSignal.any([limit.signal, attempt.signal])
  const untilMs = Math.min(limit.untilMs, clock.monotonicMs() + attemptMs)
  await runtime.removePods(change.to.endpoint, { signal, untilMs }).catch(() => 0)
  attempt.abort()
}

export const startEngine: Step = {
  name: 'start-engine',
  apply: async (context) => {
    const { to } = context.change
    for (const unit of to.units) await startAnew(context, unit)
    await context.runtime.ready(to.endpoint, context.limit)
  },
  revert: async (context) => {
    const { to, action } = context.change
    const stopped = await Promise.all(to.units.map((unit) => isStopped(context, unit)))
    if (action === 'DrainRestart' && !stopped.includes(true)) await tryRemovingPods(context)
    await stopAll(context, to.units)
  },
}
