/** Which PodDisruptionBudgets would refuse an eviction, by the rules of policy/v1. Pure. */
import type { RuntimeProfileSpec } from '../../../crds/types.gen.ts'
import type { KubeObject } from '../../../kube/resource.ts'
import { list } from '../../rollout/budget.ts'
import { selects } from '../../rollout/selector.ts'
import type { Reason } from '../../rollout/types.ts'
import { nameOf, type PodObject, projectPod } from './plan.ts'

export interface BudgetObject extends KubeObject {
  spec?: { selector?: RuntimeProfileSpec['nodeSelector']; unhealthyPodEvictionPolicy?: string }
  status?: { disruptionsAllowed?: number; currentHealthy?: number; desiredHealthy?: number; expectedPods?: number }
}

/** A pod with what budgets look at. */
export interface GuardedPod extends PodObject {
  status?: { phase?: string; conditions?: { type: string; status: string }[] }
}

/** No selector covers nothing, an empty one the whole namespace. Of a pod that is Pending no budget is asked at all. */
export const covers = ({ metadata, spec }: BudgetObject, pod: GuardedPod): boolean =>
  pod.status?.phase !== 'Pending' &&
  metadata.namespace === pod.metadata.namespace &&
  spec?.selector !== undefined &&
  selects(spec.selector, pod.metadata.labels ?? {})

/** Whether the budget refuses the eviction of a pod that it covers. */
export const refuses = (budget: BudgetObject, pod: GuardedPod): boolean =>
  (budget.status?.disruptionsAllowed ?? 0) === 0 && !mayLeave(pod, budget)

/** A pod that serves nobody may leave although the budget is spent. */
const mayLeave = ({ status }: GuardedPod, { spec, status: budget }: BudgetObject): boolean => {
  const isReady = status?.conditions?.some((condition) => condition.type === 'Ready' && condition.status === 'True')
  if (isReady) return false
  const { currentHealthy = 0, desiredHealthy = 0 } = budget ?? {}
  return spec?.unhealthyPodEvictionPolicy === 'AlwaysAllow' || (desiredHealthy > 0 && currentHealthy >= desiredHealthy)
}

/** Why one of the pods of this node could not be evicted now. */
export function firstRefusal(
  node: string,
  pods: readonly GuardedPod[],
  budgets: readonly BudgetObject[],
): Reason | undefined {
  for (const pod of pods) {
    const own = budgets.filter((budget) => covers(budget, pod))
    const closed = own.find((budget) => refuses(budget, pod))
    if (own.length > 1) {
      const names = list(own.map(({ metadata }) => metadata.name ?? ''))
      const message = `Pod ${nameOf(pod)} on node ${node} is covered by ${own.length} PDBs (${names}), which refuses every eviction: leave one; ${node} is not cordoned before`
      return { reason: 'MultipleDisruptionBudgets', message }
    }
    if (closed) {
      const message = `PDB ${nameOf(closed)} allows 0 disruptions: pod ${nameOf(pod)} on node ${node} could not leave, and ${node} is not cordoned before`
      return { reason: 'DisruptionBudget', message }
    }
  }
  return undefined
}

export function projectGuardedPod(pod: GuardedPod): GuardedPod {
  const { metadata, spec, status } = projectPod(pod)
  const { labels } = pod.metadata
  const ready = (pod.status?.conditions ?? []).filter(({ type }) => type === 'Ready')
  return {
    metadata: { ...metadata, ...(labels && { labels }) },
    ...(spec && { spec }),
    status: { ...status, conditions: ready.map(({ type, status }) => ({ type, status })) },
  }
}

export function projectBudget({ metadata, spec, status }: BudgetObject): BudgetObject {
  const { name, namespace } = metadata
  const { selector, unhealthyPodEvictionPolicy } = spec ?? {}
  const { disruptionsAllowed = 0, currentHealthy = 0, desiredHealthy = 0 } = status ?? {}
  return {
    metadata: { ...(name && { name }), ...(namespace && { namespace }) },
    spec: { ...(selector && { selector }), ...(unhealthyPodEvictionPolicy && { unhealthyPodEvictionPolicy }) },
    status: { disruptionsAllowed, currentHealthy, desiredHealthy },
  }
}
