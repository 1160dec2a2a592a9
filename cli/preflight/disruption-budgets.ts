import { type BudgetObject, covers, refuses } from '../../operator/controllers/drain/disruption.ts'
import { nameOf, planDrain } from '../../operator/controllers/drain/plan.ts'
import { list } from '../../operator/rollout/budget.ts'
import type { Look, Pod } from './cluster.ts'
import type { Finding } from './finding.ts'

export const disruptionBudgets = ({ nodes, budgets }: Look): readonly Finding[] => {
  const pods = nodes.filter(({ drains }) => drains).flatMap((node) => planDrain(node.pods, node.drain).evict as Pod[])
  const held = pods.map((pod) => ({ pod, by: budgets.filter((budget) => covers(budget, pod)) }))
  const closed = held.flatMap(({ pod, by: [budget, second] }) =>
    budget && !second && refuses(budget, pod) ? [{ pod, budget }] : [],
  )
  return [
    ...[...Map.groupBy(closed, ({ budget }) => budget)].map(([budget, entries]) =>
      closedFinding(
        budget,
        entries.map(({ pod }) => pod),
      ),
    ),
    ...held.filter(({ by }) => by.length > 1).map(({ pod, by }) => ambiguous(pod, by)),
  ]
}

const closedFinding = (budget: BudgetObject, pods: readonly Pod[]): Finding => {
  const { currentHealthy = 0, desiredHealthy = 0, expectedPods = 0 } = budget.status ?? {}
  const holds = pods.map((pod) => `${nameOf(pod)} on ${pod.spec?.nodeName}`).sort()
  return {
    severity: 'Blocking',
    subject: `PodDisruptionBudget ${nameOf(budget)}`,
    what: `allows 0 disruptions now (${currentHealthy} healthy, ${desiredHealthy} needed, ${expectedPods} expected) and holds ${list(holds)}`,
    advice: adviceFor(budget),
  }
}

const adviceFor = ({ metadata, status = {} }: BudgetObject): string => {
  const { desiredHealthy = 0, expectedPods = 0 } = status
  // The controller counts seconds after the pods came, and evictions are refused until then.
  if (expectedPods === 0) return 'its pods are not counted yet: try again in a minute'
  return desiredHealthy >= expectedPods
    ? 'it never allows one: add a replica, or let the budget spare one'
    : `make its pods healthy: kubectl get pods -n ${metadata.namespace}`
}

const ambiguous = (pod: Pod, budgets: readonly BudgetObject[]): Finding => ({
  severity: 'Blocking',
  subject: `Pod ${nameOf(pod)}`,
  what: `is covered by ${budgets.length} PodDisruptionBudgets (${list(budgets.map(({ metadata }) => metadata.name ?? ''))}), which refuses every eviction`,
  advice: 'leave one budget for it',
})
