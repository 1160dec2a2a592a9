/** Which changes of an object are worth a new plan. */
import type { NodeRuntime, RuntimeProfile } from '../crds/types.gen.ts'
import type { NodeObject } from './controllers/node/view.ts'
import { answerOf } from './rollout/answer.ts'

type IsNews<T> = (name: string, object: T | undefined) => boolean

/**
 * Every kubelet writes its Node every five minutes though nothing changed: with thousands of nodes that is a plan of
 * all of them many times a second. A heartbeat is news only to a commit that waits for it.
 */
export function nodeNews(runtimeOf: (name: string) => NodeRuntime | undefined): IsNews<NodeObject> {
  return changes((node) => {
    const { resourceVersion: _, ...metadata } = node.metadata
    const conditions = node.status?.conditions?.map(({ lastHeartbeatTime, ...condition }) =>
      isAwaited(runtimeOf(metadata.name ?? '')) ? { ...condition, lastHeartbeatTime } : condition,
    )
    return { ...node, metadata, status: { ...node.status, conditions } }
  })
}

const isAwaited = (runtime: NodeRuntime | undefined): boolean =>
  runtime !== undefined && answerOf(runtime)?.phase === 'Proven'

/** What other profiles and the RuntimeClasses depend on: anything but the status. */
export function profileNews(): IsNews<RuntimeProfile> {
  return changes(({ metadata, spec }) => ({ spec, deletion: metadata.deletionTimestamp, uid: metadata.uid }))
}

function changes<T>(essence: (object: T) => unknown): IsNews<T> {
  const known = new Map<string, string>()
  return (name, object) => {
    if (object === undefined) {
      known.delete(name)
      return true
    }
    const text = JSON.stringify(essence(object))
    if (known.get(name) === text) return false
    known.set(name, text)
    return true
  }
}
