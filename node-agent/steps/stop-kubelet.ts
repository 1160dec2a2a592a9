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
  check: async (context) => {
    const { kubeletUnit } = context.change
    return kubeletUnit === undefined || isStopped(context, kubeletUnit)
  },
  apply: async ({ host, change: { kubeletUnit } }) => {
    if (kubeletUnit !== undefined) await host.stopUnit(kubeletUnit)
  },
  revert: async (context) => {
    const { change, host } = context
    const { kubeletUnit } = change
    // Without an engine it ends and starts over and over, as it did before.
    if (change.from.name === 'none' && kubeletUnit !== undefined) {
      return host.startUnit(kubeletUnit, startMs).catch(() => {})
    }
    try {
      if (kubeletUnit !== undefined) await stopIfActive(context, kubeletUnit)
      if (change.former) await proveExpectation(context, change.from, change.former)
    } finally {
      await startKubeletAnew(context)
    }
  },
}
