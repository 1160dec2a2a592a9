/** `npm run demo -- migration`: from Docker, and from containerd 1.x, to containerd 2.x. */
import { type Cluster, lacking, type Settings, sentence } from '../cluster/cluster.ts'
import { ociAdapterFolder } from '../cluster/oci-adapter.ts'
import { kubectl } from '../support/install.ts'
import type { Claim } from './checks.ts'
import type { Show } from './show.ts'

/** Not containerd 1.6 of Debian 12: that release's crun is too old for what containerd 2.x asks of it. */
const fromContainerd = [
  { name: 'from-containerd-1', kind: 'debian13' },
  { name: 'from-containerd-2', kind: 'debian13' },
] as const

/** Docker's worker is left out where there is no cri-dockerd, and the demo says so. */
export async function migration(settings: Settings): Promise<Show> {
  const missing = await lacking(settings, ['cri-dockerd'])
  const docker = missing.length === 0 ? [{ name: 'from-docker', kind: 'debian13-docker' } as const] : []
  return {
    heading: `A real cluster: control plane and ${docker.length > 0 ? 'three workers, one of them on Docker' : 'two workers'}`,
    change: 'containerd 2.3 on all workers, whatever they run now',
    controlPlane: 'debian13',
    workers: [...docker, ...fromContainerd],
    offers: true,
    spec: async (cluster) => ({
      engine: { name: 'containerd', version: '2.3', source: { archive: await cluster.download('containerd') } },
      sandboxImage: cluster.sandboxImage,
      handlers: [
        { name: 'runc', default: true, binary: `${ociAdapterFolder}/runc` },
        { name: 'crun', binary: `${ociAdapterFolder}/crun`, runtimeClass: {} },
      ],
      migration: { images: 'transfer' },
    }),
    watched: { title: 'ENGINE', field: '.status.observed.engine.version' },
    claims,
    ...(missing.length > 0 && { notShown: `Docker to containerd was not shown: it needs ${sentence(missing)}` }),
  }
}

async function claims(cluster: Cluster, node: string): Promise<readonly Claim[]> {
  const of = (path: string) => kubectl(cluster, ['get', 'node', node, '-o', `jsonpath={${path}}`])
  const [version, ready] = await Promise.all([
    of('.status.nodeInfo.containerRuntimeVersion'),
    of('.status.conditions[?(@.type=="Ready")].status'),
  ])
  const docker = await cluster.exec(node, ['systemctl', 'is-active', 'docker.service'])
  return [
    { text: `${node}: the Node says ${version}`, holds: version.startsWith('containerd://2.3') && ready === 'True' },
    { text: `${node}: no Docker runs`, holds: docker.stdout.trim() !== 'active' },
  ]
}
