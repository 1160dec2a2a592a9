/** What the demo claims, each claim looked up in the cluster and on the nodes: a demo that cannot fail proves nothing. */
import type { MigrationReport } from '../../crds/types.gen.ts'
import type { Cluster } from '../cluster/cluster.ts'
import { apply, kubectl } from '../support/install.ts'

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

const crunPod = (node: string) => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: `crun-on-${node}`, namespace: 'default' },
  spec: {
    nodeName: node,
    runtimeClassName: 'crun',
    terminationGracePeriodSeconds: 0,
    containers: [
      { name: 'main', image: 'docker.io/library/busybox:1.36', imagePullPolicy: 'Never', command: ['sleep', '1d'] },
    ],
  },
})

const nodeClaims = async (cluster: Cluster, node: string): Promise<Claim[]> => {
  const read = async (path: string) => (await cluster.exec(node, ['cat', path])).stdout
  const [kubelet, engine, schedulable] = await Promise.all([
    read('/var/lib/kubelet/config.yaml'),
    read('/etc/containerd/config.toml'),
    kubectl(cluster, ['get', 'node', node, '-o', 'jsonpath={.spec.unschedulable}']),
  ])
  await kubectl(cluster, ['wait', '--for=condition=Ready', `pod/crun-on-${node}`, '--timeout=60s'])
  const uid = await kubectl(cluster, ['get', 'pod', `crun-on-${node}`, '-o', 'jsonpath={.metadata.uid}'])
  const slice = `kubepods-besteffort-pod${uid.replaceAll('-', '_')}.slice`
  const { code } = await cluster.exec(node, [
    'test',
    '-d',
    `/sys/fs/cgroup/memory/kubepods.slice/kubepods-besteffort.slice/${slice}`,
  ])
  return [
    { text: `${node}: the kubelet's cgroup driver is systemd`, holds: /^cgroupDriver: systemd$/m.test(kubelet) },
    {
      text: `${node}: no handler of containerd is left on cgroupfs`,
      holds: /SystemdCgroup = true/.test(engine) && !/SystemdCgroup = false/.test(engine),
    },
    { text: `${node}: a pod of RuntimeClass crun runs in a systemd slice`, holds: code === 0 },
    { text: `${node}: in service again`, holds: schedulable === '' },
  ]
}

/** Every claim, whether it holds or not. */
export const claims = async (
  cluster: Cluster,
  nodes: readonly string[],
  report: MigrationReport,
  client: ClientResult,
): Promise<readonly Claim[]> => {
  await apply(cluster, ...nodes.map(crunPod))
  const perNode = await Promise.all(nodes.map((node) => nodeClaims(cluster, node)))
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
