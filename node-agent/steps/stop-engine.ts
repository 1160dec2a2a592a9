import { isDrained } from './start-engine.ts'
import { isStopped, type Step, startAnew, stopIfActive } from './step.ts'
import { toStartAgain, toStop } from './units.ts'

/** Units of the new engine may run already, under other files than it is to have. */
export const stopEngine: Step = {
  name: 'stop-engine',
  check: async (context) => {
    for (const unit of toStop(context.change)) if (!(await isStopped(context, unit))) return false
    return true
  },
  apply: async (context) => {
    for (const unit of toStop(context.change)) await stopIfActive(context, unit)
  },
  revert: async (context) => {
    const { change, runtime, limit } = context
    const { from, to } = change
    await startAnew(context, ...toStartAgain(change))
    if (from.name === 'none' || from.isInKubelet) return
    await runtime.ready(from.endpoint, limit)
    // Pods that the kubelet made under the new configuration, and that the new engine could not remove any more.
    if (isDrained(change) && from.name === to.name) await runtime.removePods(from.endpoint, limit)
  },
}
