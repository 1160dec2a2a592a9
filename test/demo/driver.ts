/** `npm run demo`: cgroupfs to systemd, and crun beside runc. */
import type { Cluster } from '../cluster/cluster.ts'
import { kubectl } from '../support/install.ts'
import { type Claim, crunPod } from './checks.ts'
import type { Show } from './show.ts'

export const driver: Show = {
  heading: 'A real cluster: control plane and two workers',
  change: 'cgroupfs to systemd, and crun beside runc',
  controlPlane: 'debian12',
  workers: [
    { name: 'worker-1', kind: 'debian12' },
    { name: 'worker-2', kind: 'debian13' },
  ],
  offers: false,
  spec: async () => ({
    engine: { name: 'containerd' },
    cgroupDriver: 'systemd',
    handlers: [
      { name: 'runc', default: true },
      { name: 'crun', runtimeClass: {} },
    ],
  }),
  watched: { title: 'DRIVER', field: '.status.observed.cgroup.engineDriver' },
  claims,
}

async function claims(cluster: Cluster, node: string): Promise<readonly Claim[]> {
  const read = async (path: string) => (await cluster.exec(node, ['cat', path])).stdout
  const [kubelet, engine] = await Promise.all([
    read('/var/lib/kubelet/config.yaml'),
    read('/etc/containerd/config.toml'),
  ])
  const uid = await kubectl(cluster, ['get', 'pod', crunPod(node), '-o', 'jsonpath={.metadata.uid}'])
  const slice = `kubepods-besteffort-pod${uid.replaceAll('-', '_')}.slice`
  const path = `/sys/fs/cgroup/memory/kubepods.slice/kubepods-besteffort.slice/${slice}`
  const { code } = await cluster.exec(node, ['test', '-d', path])
  return [
    { text: `${node}: the kubelet's cgroup driver is systemd`, holds: /^cgroupDriver: systemd$/m.test(kubelet) },
    {
      text: `${node}: no handler of containerd is left on cgroupfs`,
      holds: /SystemdCgroup = true/.test(engine) && !/SystemdCgroup = false/.test(engine),
    },
    { text: `${node}: a pod of RuntimeClass crun runs in a systemd slice`, holds: code === 0 },
  ]
}
