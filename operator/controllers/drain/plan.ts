/** Which pods leave a node, which stay, and which must not be touched without leave. Pure. */
import type { KubeObject } from '../../../kube/resource.ts'
import type { Reason } from '../../rollout/types.ts'

/** The few fields of a Pod that a drain reads. */
export interface PodObject extends KubeObject {
  spec?: { volumes?: { name?: string; emptyDir?: object }[]; tolerations?: Toleration[] }
  status?: { phase?: string }
}

interface Toleration {
  key?: string
  operator?: string
  value?: string
  effect?: string
}

export interface DrainOptions {
  readonly deleteEmptyDirData: boolean
  readonly deleteUnmanagedPods: boolean
  /** When the node went out of service, RFC 3339; absent while it is in service. */
  readonly since?: string
}

export interface DrainPlan {
  /** Pods to evict, in the order of their names. */
  readonly evict: readonly PodObject[]
  /** Pods on their way out. */
  readonly leaving: readonly PodObject[]
  /** Pods that forbid the drain; none is evicted as long as there is one. */
  readonly blocking: readonly Reason[]
}

type Fate = 'stay' | 'leaving' | 'evict' | Reason
type Rule = (pod: PodObject, options: DrainOptions) => Fate | undefined

const mirrorAnnotation = 'kubernetes.io/config.mirror'

/** The first rule that speaks decides. */
const rules: readonly Rule[] = [
  isMirror, // the kubelet's own: the API server cannot make it go
  isDaemon, // its controller would put it back at once, cordon or not
  isFinished, // nothing of it runs
  isLeaving, // somebody asked already
  isUnmanaged, // nobody would create it again
  hasLocalData, // what it wrote would be lost
  cameInSpite, // its controller would put it back at once: the switch ends it
]

export function planDrain(pods: readonly PodObject[], options: DrainOptions): DrainPlan {
  const fates = [...pods]
    .sort((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1))
    .map((pod) => ({ pod, fate: fateOf(pod, options) }))
  const of = (wanted: Fate): PodObject[] => fates.filter(({ fate }) => fate === wanted).map(({ pod }) => pod)
  const blocking = fates.flatMap(({ fate }) => (typeof fate === 'object' ? [fate] : []))
  return { evict: of('evict'), leaving: of('leaving'), blocking }
}

function fateOf(pod: PodObject, options: DrainOptions): Fate {
  for (const rule of rules) {
    const fate = rule(pod, options)
    if (fate) return fate
  }
  return 'evict'
}

function isMirror({ metadata }: PodObject): Fate | undefined {
  return metadata.annotations?.[mirrorAnnotation] === undefined ? undefined : 'stay'
}

function isDaemon(pod: PodObject): Fate | undefined {
  return controllerOf(pod)?.kind === 'DaemonSet' ? 'stay' : undefined
}

function isFinished({ status }: PodObject): Fate | undefined {
  return status?.phase === 'Succeeded' || status?.phase === 'Failed' ? 'stay' : undefined
}

function isLeaving({ metadata }: PodObject): Fate | undefined {
  return metadata.deletionTimestamp === undefined ? undefined : 'leaving'
}

function isUnmanaged(pod: PodObject, { deleteUnmanagedPods }: DrainOptions): Fate | undefined {
  if (deleteUnmanagedPods || controllerOf(pod)) return undefined
  const message = `Pod ${nameOf(pod)} has no controller that would create it again: delete it, or set rollout.drain.deleteUnmanagedPods`
  return { reason: 'UnmanagedPod', message }
}

function hasLocalData(pod: PodObject, { deleteEmptyDirData }: DrainOptions): Fate | undefined {
  const volume = pod.spec?.volumes?.find(({ emptyDir }) => emptyDir)
  if (deleteEmptyDirData || !volume) return undefined
  const message = `Pod ${nameOf(pod)} has data in the emptyDir volume ${volume.name} that an eviction loses: delete it, or set rollout.drain.deleteEmptyDirData`
  return { reason: 'EmptyDirData', message }
}

/** Placed on the cordoned node on purpose, mostly in place of one that was evicted. */
function cameInSpite({ metadata, spec }: PodObject, { since }: DrainOptions): Fate | undefined {
  const { creationTimestamp } = metadata
  if (since === undefined || creationTimestamp === undefined || !spec?.tolerations?.some(toleratesCordon))
    return undefined
  return Date.parse(creationTimestamp) > Date.parse(since) ? 'stay' : undefined
}

/** By the rules of the scheduler for the taint node.kubernetes.io/unschedulable:NoSchedule, which has no value. */
function toleratesCordon({ key = '', operator = 'Equal', value = '', effect = '' }: Toleration): boolean {
  if (effect !== '' && effect !== 'NoSchedule') return false
  if (key === '') return operator === 'Exists'
  return key === 'node.kubernetes.io/unschedulable' && (operator === 'Exists' || value === '')
}

function controllerOf({ metadata }: PodObject) {
  return metadata.ownerReferences?.find(({ controller }) => controller)
}

/** What a drain needs of a pod. */
export function projectPod({ metadata, spec, status }: PodObject): PodObject {
  const { name, namespace, uid, resourceVersion, creationTimestamp, deletionTimestamp, ownerReferences } = metadata
  const mirror = metadata.annotations?.[mirrorAnnotation]
  const tolerations = (spec?.tolerations ?? []).filter(toleratesCordon)
  return {
    metadata: {
      ...(name && { name }),
      ...(namespace && { namespace }),
      ...(uid && { uid }),
      ...(resourceVersion && { resourceVersion }),
      ...(creationTimestamp && { creationTimestamp }),
      ...(deletionTimestamp && { deletionTimestamp }),
      ...(ownerReferences && { ownerReferences }),
      ...(mirror !== undefined && { annotations: { [mirrorAnnotation]: mirror } }),
    },
    spec: {
      volumes: (spec?.volumes ?? [])
        .filter(({ emptyDir }) => emptyDir)
        .map(({ name = '' }) => ({ name, emptyDir: {} })),
      ...(tolerations.length > 0 && { tolerations }),
    },
    status: { ...(status?.phase && { phase: status.phase }) },
  }
}

export const nameOf = ({ metadata }: KubeObject): string => `${metadata.namespace}/${metadata.name}`
