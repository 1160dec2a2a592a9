import { proveExpectation } from './prove.ts'
import { keepsPods } from './start-engine.ts'
import { startKubeletAnew } from './start-kubelet.ts'
import { type Step, stopIfActive } from './step.ts'

const startMs = 10_000

/**
 * The first step that disturbs, so its revert comes last: it proves the former state before the kubelet brings pods back. The kubelet
 * starts even when that proof fails: a node that a person must look at is better reachable.
 */
export const stopKubelet: Step = {
  name: 'stop-kubelet',
  apply: async (context) => {
    const { change, findings, found, limit, runtime } = context
    const { from, kubeletUnit } = change
    if (kubeletUnit !== undefined) await stopIfActive(context, kubeletUnit)
    if (!keepsPods(change) || findings.kept) return
    // By now nobody makes new ones. Not told by the time of their making: a clock may be set meanwhile. An engine that
    // does not answer is upgraded all the same: that may be what it needs.
    const kept = await runtime.pods(from.endpoint, limit).catch(() => undefined)
    if (kept) found({ kept })
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
