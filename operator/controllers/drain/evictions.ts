/** A look at the pods of nodes that could start, before any of them is cordoned. */
import type { KubeClient } from '../../../kube/client.ts'
import { PodDisruptionBudgets, Pods } from '../../../kube/resource.ts'
import type { Reason } from '../../rollout/types.ts'
import { type BudgetObject, firstRefusal, type GuardedPod, projectBudget, projectGuardedPod } from './disruption.ts'
import { type DrainOptions, planDrain } from './plan.ts'

type Client = Pick<KubeClient, 'list'>

/** Nodes at a time: each costs one list of its pods. */
const parallel = 8

/**
 * Per node why it could not be drained now, by the rules of the drain itself and then by the budgets, or undefined. Reads the budgets once for all nodes, and only
 * when there is a pod to evict. A node that could not be looked at is held back with the error.
 */
export async function lookAtEvictions(
  client: Client,
  nodes: readonly string[],
  options: DrainOptions,
): Promise<ReadonlyMap<string, Reason | undefined>> {
  let reading: Promise<readonly BudgetObject[]> | undefined
  const budgets = (): Promise<readonly BudgetObject[]> => {
    reading ??= client.list<BudgetObject>(PodDisruptionBudgets, { project: projectBudget }).then(({ items }) => items)
    return reading
  }
  const found = new Map<string, Reason | undefined>()
  const waiting = [...nodes]
  const work = async (): Promise<void> => {
    for (let node = waiting.shift(); node !== undefined; node = waiting.shift()) {
      found.set(node, await lookAt(client, node, { options, budgets }))
    }
  }
  await Promise.all(Array.from({ length: Math.min(parallel, nodes.length) }, work))
  return found
}

interface Looking {
  readonly options: DrainOptions
  readonly budgets: () => Promise<readonly BudgetObject[]>
}

async function lookAt(client: Client, node: string, { options, budgets }: Looking): Promise<Reason | undefined> {
  try {
    const fieldSelector = `spec.nodeName=${node}`
    const { items } = await client.list<GuardedPod>(Pods, { fieldSelector, project: projectGuardedPod })
    const { evict, blocking } = planDrain(items, options)
    const [forbidden] = blocking
    if (forbidden) return { ...forbidden, message: `${forbidden.message}; ${node} is not cordoned before` }
    return evict.length === 0 ? undefined : firstRefusal(node, evict, await budgets())
  } catch (error) {
    const message = `${node} waits: its pods could not be looked at: ${(error as Error).message}`
    return { reason: 'LookFailed', message }
  }
}
