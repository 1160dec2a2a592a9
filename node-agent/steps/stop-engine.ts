import { isStopped, type Step, startAnew } from './step.ts'

export const stopEngine: Step = {
  name: 'stop-engine',
  check: (context) => isStopped(context, context.change.engineUnit),
  apply: ({ host, change }) => host.stopUnit(change.engineUnit),
  revert: async (context) => {
    const { change, runtime, limit } = context
    await startAnew(context, change.engineUnit)
    await runtime.ready(change.endpoint, limit)
    // Pods that the kubelet made under the new configuration, and that the new engine could not remove any more.
    if (change.action === 'DrainRestart') await runtime.removePods(change.endpoint, limit)
  },
}
