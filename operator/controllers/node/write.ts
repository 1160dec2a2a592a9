/** The writes to a Node: out of service, back, and into service for the first time. */
import { annotations } from '../../../crds/protocol.ts'
import type { KubeClient } from '../../../kube/client.ts'
import { Nodes } from '../../../kube/resource.ts'
import { handlerLabel, isHandlerLabel } from '../../rollout/handlers.ts'
import { formatCordon } from '../../rollout/marks.ts'
import type { CordonMark, Decision } from '../../rollout/types.ts'
import { isStartupTaint, type NodeObject } from './view.ts'

type Client = Pick<KubeClient, 'patch'>

/** Fails as a conflict when the Node is not the one that was read. */
export function cordon(client: Client, node: NodeObject, mark: CordonMark): Promise<NodeObject> {
  return patch(client, node, {
    metadata: { annotations: { [annotations.cordonedBy]: formatCordon(mark) } },
    spec: { unschedulable: true },
  })
}

/**
 * Takes our cordon off, if there is one, sets the labels of these handlers (undefined: leaves them), corrects
 * annotations and takes the startup taint off a proven node, in one write. Without our mark the node stays as schedulable as it is. Fails as a conflict when the Node
 * is not the one that was read.
 */
export function giveBack(
  client: Client,
  node: NodeObject,
  { handlers, annotations: changed, admits }: Omit<Extract<Decision, { kind: 'Return' }>, 'kind' | 'node'>,
): Promise<NodeObject> {
  const isOurs = node.metadata.annotations?.[annotations.cordonedBy] !== undefined
  return patch(client, node, {
    metadata: {
      ...((isOurs || changed) && {
        annotations: { ...changed, ...(isOurs && { [annotations.cordonedBy]: null }) },
      }),
      ...(handlers && { labels: handlerLabels(node.metadata.labels ?? {}, handlers) }),
    },
    spec: { ...(isOurs && { unschedulable: null }), ...(admits && withoutStartupTaint(node)) },
  })
}

/** Lets pods onto a node that no profile selects. Fails as a conflict when the Node is not the one that was read. */
export function admit(client: Client, node: NodeObject): Promise<NodeObject> {
  return patch(client, node, { metadata: {}, spec: withoutStartupTaint(node) })
}

/** A patch replaces all taints; its version sees to it that no other was added meanwhile. */
function withoutStartupTaint({ spec }: NodeObject): Pick<NonNullable<NodeObject['spec']>, 'taints'> {
  return spec?.taints?.some(isStartupTaint) ? { taints: spec.taints.filter((taint) => !isStartupTaint(taint)) } : {}
}

function handlerLabels(present: Record<string, string>, handlers: readonly string[]): Record<string, string | null> {
  const stale = Object.keys(present).filter(isHandlerLabel)
  return {
    ...Object.fromEntries(stale.map((label) => [label, null])),
    ...Object.fromEntries(handlers.map((handler) => [handlerLabel(handler), 'true'])),
  }
}

function patch(client: Client, { metadata }: NodeObject, change: { metadata: object; spec?: object }) {
  const { name = '', uid, resourceVersion } = metadata
  const body = { ...change, metadata: { ...change.metadata, uid, resourceVersion } }
  return client.patch<NodeObject>(Nodes, { name }, body, { kind: 'merge' })
}
