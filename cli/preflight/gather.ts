/** Reads from the API what the checks look at. */
import type { NodeRuntime, RuntimeProfile } from '../../crds/types.gen.ts'
import { Nodes, PodDisruptionBudgets, Pods, RuntimeClasses } from '../../kube/resource.ts'
import type { BudgetObject } from '../../operator/controllers/drain/disruption.ts'
import { NodeRuntimes, RuntimeProfiles } from '../../operator/resources.ts'
import { type Lister, listIfInstalled } from '../connect.ts'
import type { Cluster, NodeObject, Pod, RuntimeClass } from './cluster.ts'

export const gather = async (client: Lister): Promise<Cluster> => {
  const [nodes, pods, budgets, classes, profiles, runtimes] = await Promise.all([
    client.list<NodeObject>(Nodes, {}),
    client.list<Pod>(Pods, { fieldSelector: 'spec.nodeName!=' }),
    client.list<BudgetObject>(PodDisruptionBudgets, {}),
    client.list<RuntimeClass>(RuntimeClasses, {}),
    listIfInstalled<RuntimeProfile>(client, RuntimeProfiles),
    listIfInstalled<NodeRuntime>(client, NodeRuntimes),
  ])
  return {
    nodes: nodes.items,
    pods: pods.items,
    budgets: budgets.items,
    runtimeClasses: classes.items,
    profiles,
    runtimes: runtimes ?? [],
  }
}
