import type { NodeRuntime } from '../../../crds/types.gen.ts'
import type { KubeClient } from '../../../kube/client.ts'
import { DaemonSets } from '../../../kube/resource.ts'
import { fieldManager } from '../../resources.ts'
import { isOpen } from '../../rollout/answer.ts'
import type { Store } from '../store.ts'
import { type DaemonSetObject, manifestAnnotation } from './daemonset.ts'

export interface AgentController {
  readonly client: Pick<KubeClient, 'apply'>
  readonly wanted: DaemonSetObject
  readonly daemonSets: Pick<Store<DaemonSetObject>, 'list' | 'remember'>
  readonly runtimes: Pick<Store<NodeRuntime>, 'list'>
}

/**
 * The agent runs on the nodes, with the manifest and image of this very operator. While a node is in the middle of a
 * change its agent stays as it is: a new pod would wait for the change to end, and the change for the pod.
 */
export async function reconcileAgent({ client, wanted, daemonSets, runtimes }: AgentController): Promise<void> {
  const found = daemonSets.list().find(({ metadata }) => metadata.name === wanted.metadata.name)
  const digest = wanted.metadata.annotations?.[manifestAnnotation]
  if (found?.metadata.annotations?.[manifestAnnotation] === digest) return
  if (found && runtimes.list().some(isOpen)) return
  daemonSets.remember(await client.apply(DaemonSets, wanted, { fieldManager, force: true }))
}

/** Only what the comparison needs. */
export function projectDaemonSet({ metadata }: DaemonSetObject): DaemonSetObject {
  const { name, namespace, resourceVersion, annotations } = metadata
  return {
    metadata: {
      ...(name && { name }),
      ...(namespace && { namespace }),
      ...(resourceVersion && { resourceVersion }),
      ...(annotations && { annotations }),
    },
  }
}
