import { proveExpectation } from './prove.ts'
import { startKubeletAnew } from './start-kubelet.ts'
import { isStopped, type Step, stopIfActive } from './step.ts'

const startMs = 10_000

/**
 * The first step that disturbs, so its revert comes last: it proves the former state before the kubelet brings pods back. The kubelet
 * starts even when that proof fails: a node that a person must look at is better reachable.
 */
export const stopKubelet: Step = {
  name: 'stop-kubelet',
  check: (context) => isStopped(context, context.change.kubeletUnit),
  apply: ({ host, change }) => host.stopUnit(change.kubeletUnit),
  revert: async (context) => {
    const { change, host } = context
    // Without an engine it ends and starts over and over, as it did before.
    if (change.from.name === 'none') return host.startUnit(change.kubeletUnit, startMs).catch(() => {})
    try {
      await stopIfActive(context, change.kubeletUnit)
      if (change.former) await proveExpectation(context, change.from, change.former)
    } finally {
      await startKubeletAnew(context)
    }
  },
}
