import { annotations, criSocketAnnotation, startupTaint } from '../../../crds/protocol.ts'
import type { KubeObject } from '../../../kube/resource.ts'
import { parseCordon } from '../../rollout/marks.ts'
import type { NodeView } from '../../rollout/types.ts'

/** The few fields of a Node that the operator reads. A whole Node is 15 kB, most of it images. */
export interface Taint {
  key?: string
  value?: string
  effect?: string
  timeAdded?: string
}

export interface NodeObject extends KubeObject {
  spec?: { unschedulable?: boolean; taints?: Taint[] }
  status?: {
    conditions?: { type: string; status: string; lastHeartbeatTime?: string; lastTransitionTime?: string }[]
    nodeInfo?: { containerRuntimeVersion?: string }
    runtimeHandlers?: { name?: string }[]
  }
}

const controlPlaneLabels = ['node-role.kubernetes.io/control-plane', 'node-role.kubernetes.io/master']

const keptAnnotations = [annotations.cordonedBy, annotations.formerCriSocket, criSocketAnnotation]

export const isStartupTaint = ({ key, effect }: Taint): boolean =>
  key === startupTaint.key && effect === startupTaint.effect

export function projectNode({ metadata, spec, status }: NodeObject): NodeObject {
  const { name, uid, resourceVersion, labels, deletionTimestamp } = metadata
  const kept = keptAnnotations.flatMap((key) => {
    const value = metadata.annotations?.[key]
    return value === undefined ? [] : [[key, value]]
  })
  const version = status?.nodeInfo?.containerRuntimeVersion
  const handlers = status?.runtimeHandlers
  return {
    metadata: {
      ...(name && { name }),
      ...(uid && { uid }),
      ...(resourceVersion && { resourceVersion }),
      ...(labels && { labels }),
      ...(deletionTimestamp && { deletionTimestamp }),
      ...(kept.length > 0 && { annotations: Object.fromEntries(kept) }),
    },
    spec: {
      ...(spec?.unschedulable && { unschedulable: true }),
      // Whoever takes ours away writes all the others back.
      ...(spec?.taints?.some(isStartupTaint) && { taints: spec.taints }),
    },
    status: {
      conditions: (status?.conditions ?? [])
        .filter(({ type }) => type === 'Ready')
        .map(({ type, status, lastHeartbeatTime, lastTransitionTime }) => ({
          type,
          status,
          ...(lastHeartbeatTime && { lastHeartbeatTime }),
          ...(lastTransitionTime && { lastTransitionTime }),
        })),
      ...(version && { nodeInfo: { containerRuntimeVersion: version } }),
      ...(handlers && { runtimeHandlers: handlers.map(({ name = '' }) => ({ name })) }),
    },
  }
}

export function viewOf({ metadata, spec, status }: NodeObject): NodeView {
  const labels = metadata.labels ?? {}
  const ready = status?.conditions?.find(({ type }) => type === 'Ready')
  return {
    name: metadata.name ?? '',
    uid: metadata.uid ?? '',
    labels,
    controlPlane: controlPlaneLabels.some((label) => label in labels),
    unschedulable: spec?.unschedulable === true,
    startupTaint: spec?.taints?.some(isStartupTaint) ?? false,
    deleting: metadata.deletionTimestamp !== undefined,
    ready: ready?.status === 'True',
    readySince: ready?.lastTransitionTime,
    heartbeat: ready?.lastHeartbeatTime,
    runtimeVersion: status?.nodeInfo?.containerRuntimeVersion,
    runtimeHandlers: status?.runtimeHandlers?.map(({ name = '' }) => name),
    cordon: parseCordon(metadata.annotations?.[annotations.cordonedBy]),
    criSocket: metadata.annotations?.[criSocketAnnotation],
    formerCriSocket: metadata.annotations?.[annotations.formerCriSocket],
  }
}
