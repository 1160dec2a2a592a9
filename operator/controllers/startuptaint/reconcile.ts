import type { NodeRuntime, RuntimeProfile } from '../../../crds/types.gen.ts'
import type { KubeClient } from '../../../kube/client.ts'
import type { EventRecorder } from '../../../kube/events.ts'
import { Nodes } from '../../../kube/resource.ts'
import { isAdmitted } from '../../rollout/admission.ts'
import { type NodeObject, viewOf } from '../node/view.ts'
import { admit } from '../node/write.ts'
import { admitted } from '../runtimeprofile/events.ts'
import type { Store } from '../store.ts'
import { atVersion } from '../store-write.ts'

export interface StartupTaintController {
  readonly client: Pick<KubeClient, 'get' | 'patch'>
  readonly events: Pick<EventRecorder, 'record'>
  readonly nodes: Store<NodeObject>
  readonly profiles: Pick<Store<RuntimeProfile>, 'list'>
  readonly runtimes: Pick<Store<NodeRuntime>, 'get'>
}

/** A node that no profile selects is let into service by nobody else. */
export async function reconcileStartupTaint(
  { client, events, nodes, profiles, runtimes }: StartupTaintController,
  name: string,
): Promise<void> {
  const object = nodes.get(name)
  if (!object || !isAdmitted(viewOf(object), runtimes.get(name), profiles.list())) return
  await atVersion(client, { type: Nodes, store: nodes, name }, async () => {
    const node = await admit(client, object)
    admitted(events, name)
    return node
  })
}
