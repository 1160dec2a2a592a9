import { nameOf, planDrain } from '../../operator/controllers/drain/plan.ts'
import type { Look } from './cluster.ts'
import type { Finding } from './finding.ts'
import { workloads } from './workload.ts'

/** The drain itself is asked, so that it cannot say something else later. Its sentences are `what: what to do`. */
export const drainRefusals = ({ nodes }: Look): readonly Finding[] =>
  workloads(
    nodes.filter(({ drains }) => drains),
    (pod, { drain }) => {
      const [refusal] = planDrain([pod], drain).blocking
      return refusal?.message.replace(`Pod ${nameOf(pod)} `, '')
    },
  ).map(({ subject, found, where }) => {
    const [what = '', ...advice] = found.split(': ')
    return { severity: 'Blocking', subject, what: `${what} (${where})`, advice: advice.join(': ') }
  })
