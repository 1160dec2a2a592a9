/** What the demo claims, each claim looked up in the cluster and on the nodes: a demo that cannot fail proves nothing. */
import type { MigrationReport } from '../../crds/types.gen.ts'
import type { Cluster } from '../cluster/cluster.ts'
import { apply, kubectl } from '../support/install.ts'
import type { Show } from './show.ts'

export interface ClientResult {
  readonly calls: number
  readonly failed: number
  readonly longestGapMs: number
  readonly errors: readonly string[]
}

export interface Claim {
  readonly text: string
  readonly holds: boolean
}

/** Name of the pod of RuntimeClass crun on a node. */
export const crunPod = (node: string): string => `crun-on-${node}`

const podOf = (node: string) => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: crunPod(node), namespace: 'default' },
  spec: {
    nodeName: node,
    runtimeClassName: 'crun',
    terminationGracePeriodSeconds: 0,
    containers: [
      { name: 'main', image: 'docker.io/library/busybox:1.36', imagePullPolicy: 'Never', command: ['sleep', '1d'] },
    ],
  },
})

const nodeClaims = async (cluster: Cluster, show: Show, node: string): Promise<readonly Claim[]> => {
  const ready = ['wait', '--for=condition=Ready', `pod/${crunPod(node)}`, '--timeout=60s']
  const { code } = await cluster.kubectl(ready)
  const schedulable = await kubectl(cluster, ['get', 'node', node, '-o', 'jsonpath={.spec.unschedulable}'])
  return [
    ...(await show.claims(cluster, node)),
    { text: `${node}: a pod of RuntimeClass crun runs`, holds: code === 0 },
    { text: `${node}: in service again`, holds: schedulable === '' },
  ]
}

/** Every claim, whether it holds or not. */
export const claims = async (
  cluster: Cluster,
  show: Show,
  report: MigrationReport,
  client: ClientResult,
): Promise<readonly Claim[]> => {
  const nodes = show.workers.map(({ name }) => name)
  await apply(cluster, ...nodes.map(podOf))
  const perNode = await Promise.all(nodes.map((node) => nodeClaims(cluster, show, node)))
  const seen = `${client.calls} calls, ${client.failed} failed, longest gap ${client.longestGapMs} ms`
  return [
    ...perNode.flat(),
    {
      text: `the report says Succeeded and names ${nodes.length} changed nodes`,
      holds: report.status?.phase === 'Succeeded' && report.status.changed === nodes.length,
    },
    {
      text: `the workload answered throughout (${[seen, ...client.errors].join('; ')})`,
      holds: client.calls > 100 && client.failed === 0,
    },
  ]
}
