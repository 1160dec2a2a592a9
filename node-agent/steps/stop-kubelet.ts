import { proveExpectation } from './prove.ts'
import { startKubeletAnew } from './start-kubelet.ts'
import { isStopped, type Step, stopIfActive } from './step.ts'

/**
 * The first step, so its revert comes last: it proves the former state before the kubelet brings pods back. The kubelet
 * starts even when that proof fails: a node that a person must look at is better reachable.
 */
export const stopKubelet: Step = {
  name: 'stop-kubelet',
  check: (context) => isStopped(context, context.change.kubeletUnit),
  apply: ({ host, change }) => host.stopUnit(change.kubeletUnit),
  revert: async (context) => {
    try {
      await stopIfActive(context, context.change.kubeletUnit)
      await proveExpectation(context, context.change.from, context.change.former)
    } finally {
      await startKubeletAnew(context)
    }
  },
}
