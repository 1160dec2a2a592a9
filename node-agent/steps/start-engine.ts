import { type Step, startAnew, stopIfActive } from './step.ts'

/** Removing pods is only an attempt: an engine that does not serve cannot, and then the former engine does it. */
const attemptMs = 15_000

export const startEngine: Step = {
  name: 'start-engine',
  apply: async (context) => {
    await startAnew(context, context.change.engineUnit)
    await context.runtime.ready(context.change.endpoint, context.limit)
  },
  revert: async (context) => {
    const { change, clock, host, runtime, limit } = context
    const active = (await host.unit(change.engineUnit)).activeState === 'active'
    if (active && change.action === 'DrainRestart') {
      const attempt = new AbortController()
      void clock.sleep(attemptMs, attempt.signal).then(() => attempt.abort())
      const signal = AbortSignal.any([limit.signal, attempt.signal])
      const untilMs = Math.min(limit.untilMs, clock.monotonicMs() + attemptMs)
      await runtime.removePods(change.endpoint, { signal, untilMs }).catch(() => 0)
      attempt.abort()
    }
    await stopIfActive(context, change.engineUnit)
  },
}
