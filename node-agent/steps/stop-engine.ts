import { isStopped, type Step, startAnew, stopAll } from './step.ts'

export const stopEngine: Step = {
  name: 'stop-engine',
  check: async (context) => {
    for (const unit of context.change.from.units) if (!(await isStopped(context, unit))) return false
    return true
  },
  apply: (context) => stopAll(context, context.change.from.units),
  revert: async (context) => {
    const { change, runtime, limit } = context
    const { endpoint, units } = change.from
    for (const unit of units) await startAnew(context, unit)
    await runtime.ready(endpoint, limit)
    // Pods that the kubelet made under the new configuration, and that the new engine could not remove any more.
    if (change.action === 'DrainRestart') await runtime.removePods(endpoint, limit)
  },
}
