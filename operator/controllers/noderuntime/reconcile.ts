import type { NodeRuntime } from '../../../crds/types.gen.ts'
import { isAlreadyExists } from '../../../kube/errors.ts'
import type { NodeObject } from '../node/view.ts'
import type { Store } from '../store.ts'
import type { NodeRuntimeWriter } from './write.ts'

export interface NodeRuntimeController {
  readonly nodes: Pick<Store<NodeObject>, 'get'>
  readonly runtimes: Pick<Store<NodeRuntime>, 'get' | 'remember'>
  readonly writer: Pick<NodeRuntimeWriter, 'create'>
}

/** Each Node has a NodeRuntime. Nothing is deleted here: the garbage collector does that when the Node goes. */
export async function reconcileNodeRuntime(
  { nodes, runtimes, writer }: NodeRuntimeController,
  name: string,
): Promise<void> {
  const node = nodes.get(name)
  const { uid, deletionTimestamp } = node?.metadata ?? {}
  if (uid === undefined || deletionTimestamp || runtimes.get(name)) return
  try {
    runtimes.remember(await writer.create({ name, uid }))
  } catch (error) {
    // That of a former Node of this name, about to be collected: its deletion brings us back here.
    if (!isAlreadyExists(error)) throw error
  }
}
