/** Pods by the workload that made them: a DaemonSet on a hundred nodes is one finding. Pure. */
import { list } from '../../operator/rollout/budget.ts'
import type { LookNode, Pod } from './cluster.ts'

export interface Match<T> {
  readonly subject: string
  readonly found: T
  /** `on worker-1, worker-2 and 3 more` */
  readonly where: string
}

/** The pods for which `find` finds something, one entry for each workload and thing found. */
export const workloads = <T>(
  nodes: readonly LookNode[],
  find: (pod: Pod, node: LookNode) => T | undefined,
): readonly Match<T>[] => {
  const matches = new Map<string, { subject: string; found: T; nodes: Set<string> }>()
  for (const node of nodes) {
    for (const pod of node.pods.filter(isRunning)) {
      const found = find(pod, node)
      if (found === undefined) continue
      const subject = ownerOf(pod)
      const key = JSON.stringify([subject, found])
      const match = matches.get(key) ?? { subject, found, nodes: new Set() }
      match.nodes.add(node.view.name)
      matches.set(key, match)
    }
  }
  return [...matches.values()].map(({ subject, found, nodes }) => ({ subject, found, where: on(nodes) }))
}

export const on = (nodes: Iterable<string>): string => `on ${list([...nodes].sort())}`

const isRunning = ({ status }: Pod): boolean => status?.phase !== 'Succeeded' && status?.phase !== 'Failed'

/** `DaemonSet monitoring/node-exporter`; of a ReplicaSet the Deployment behind it. */
export const ownerOf = ({ metadata }: Pod): string => {
  const owner = metadata.ownerReferences?.find(({ controller }) => controller)
  if (!owner) return `Pod ${metadata.namespace}/${metadata.name}`
  const hash = metadata.labels?.['pod-template-hash']
  const isDeployment = owner.kind === 'ReplicaSet' && hash !== undefined && owner.name.endsWith(`-${hash}`)
  return isDeployment
    ? `Deployment ${metadata.namespace}/${owner.name.slice(0, -hash.length - 1)}`
    : `${owner.kind} ${metadata.namespace ? `${metadata.namespace}/` : ''}${owner.name}`
}

/** Whether the kubelet of the node drives Docker, by dockershim or cri-dockerd: no profile keeps it. */
export const runsDocker = ({ engine }: LookNode): boolean => engine === 'docker'

/** Paths of the host that the pod mounts, without a trailing slash, /var/run as what it is: /run. */
export const hostPaths = ({ spec }: Pod): string[] =>
  (spec?.volumes ?? []).flatMap(({ hostPath }) => {
    if (!hostPath) return []
    const path = hostPath.path.replace(/(.)\/+$/, '$1')
    return [path.replace(/^\/var\/run(?=\/|$)/, '/run')]
  })
