// Names of API resources and the few fields that every API object has.

/** One resource of the API, as discovery names it. */
export interface ResourceType {
  /** API group; empty for the core group. */
  readonly group: string
  readonly version: string
  /** Lower-case plural: the name in URLs and RBAC rules. */
  readonly plural: string
  readonly kind: string
  readonly namespaced: boolean
}

export interface OwnerReference {
  apiVersion: string
  kind: string
  name: string
  uid: string
  controller?: boolean
  blockOwnerDeletion?: boolean
}

export interface ObjectMeta {
  name?: string
  generateName?: string
  namespace?: string
  uid?: string
  /** Opaque: compared for equality only. */
  resourceVersion?: string
  generation?: number
  creationTimestamp?: string
  deletionTimestamp?: string
  labels?: Record<string, string>
  annotations?: Record<string, string>
  finalizers?: string[]
  ownerReferences?: OwnerReference[]
  managedFields?: unknown[]
}

/** An API object as it is on the wire: plain JSON, timestamps are strings, unknown fields are kept. */
export interface KubeObject {
  apiVersion?: string
  kind?: string
  metadata: ObjectMeta
}

/** Which object: the namespace is required for namespaced types and must be absent for the others. */
export interface ObjectRef {
  readonly name: string
  readonly namespace?: string
}

export interface ListOptions {
  /** Absent: all namespaces. */
  readonly namespace?: string
  readonly labelSelector?: string
  readonly fieldSelector?: string
}

export const Namespaces: ResourceType = core('namespaces', 'Namespace', false)
export const Nodes: ResourceType = core('nodes', 'Node', false)
export const Pods: ResourceType = core('pods', 'Pod', true)
export const Events: ResourceType = {
  group: 'events.k8s.io',
  version: 'v1',
  plural: 'events',
  kind: 'Event',
  namespaced: true,
}
export const Leases: ResourceType = {
  group: 'coordination.k8s.io',
  version: 'v1',
  plural: 'leases',
  kind: 'Lease',
  namespaced: true,
}
export const PodDisruptionBudgets: ResourceType = {
  group: 'policy',
  version: 'v1',
  plural: 'poddisruptionbudgets',
  kind: 'PodDisruptionBudget',
  namespaced: true,
}
export const DaemonSets: ResourceType = {
  group: 'apps',
  version: 'v1',
  plural: 'daemonsets',
  kind: 'DaemonSet',
  namespaced: true,
}
export const RuntimeClasses: ResourceType = {
  group: 'node.k8s.io',
  version: 'v1',
  plural: 'runtimeclasses',
  kind: 'RuntimeClass',
  namespaced: false,
}

function core(plural: string, kind: string, namespaced: boolean): ResourceType {
  return { group: '', version: 'v1', plural, kind, namespaced }
}

/** `v1` for the core group, `group/version` for the others. */
export function apiVersionOf(type: ResourceType): string {
  return type.group === '' ? type.version : `${type.group}/${type.version}`
}

/** The key of an object in queues and caches: `namespace/name`, or `name` for cluster-scoped objects. */
export function keyOf(ref: { name?: string; namespace?: string }): string {
  return ref.namespace ? `${ref.namespace}/${ref.name}` : `${ref.name}`
}

/**
 * The URL path of a collection (no name), an object or its subresource.
 * Throws when an object of a namespaced type is named without its namespace, or the reverse.
 */
export function resourcePath(type: ResourceType, ref: Partial<ObjectRef>, subresource?: string): string {
  if (type.namespaced && ref.name !== undefined && !ref.namespace) {
    throw new Error(`${type.kind} ${ref.name} is namespaced: name its namespace`)
  }
  if (!type.namespaced && ref.namespace) {
    throw new Error(`${type.kind} is cluster-scoped: drop the namespace ${ref.namespace}`)
  }
  const parts = [type.group === '' ? '/api' : '/apis', apiVersionOf(type)]
  if (ref.namespace) parts.push('namespaces', encodeURIComponent(ref.namespace))
  parts.push(type.plural)
  if (ref.name !== undefined) parts.push(encodeURIComponent(ref.name))
  if (subresource) parts.push(subresource)
  return parts.join('/')
}
