/** The operating system of a host, and whether Drydock changes hosts of its kind. */
import type { Observed, Refusal } from '../engines/engine.ts'
import type { Host } from '../host/host.ts'

export interface OperatingSystem {
  readonly id: string
  readonly version: string | undefined
  readonly kernel: string
}

export async function operatingSystem(host: Host): Promise<OperatingSystem> {
  const release = await host.readFile('/etc/os-release')
  const fields = new Map<string, string>()
  for (const line of (release?.toString() ?? '').split('\n')) {
    const [, name, value] = /^([A-Z_]+)=(.*)$/.exec(line.trim()) ?? []
    if (name !== undefined) fields.set(name, value!.replace(/^(["'])(.*)\1$/, '$2'))
  }
  const kernel = (await host.readFile('/proc/sys/kernel/osrelease'))?.toString().trim() ?? ''
  return { id: fields.get('ID') || 'unknown', version: fields.get('VERSION_ID'), kernel }
}

/** The hierarchy that engines and kubelet use: v2 only when it is what is mounted at the top; hybrid counts as v1. */
export async function cgroupVersion(host: Host): Promise<'v1' | 'v2'> {
  const mounts = (await host.readFile('/proc/self/mounts'))?.toString() ?? ''
  const top = mounts.split('\n').findLast((line) => line.split(' ')[1] === '/sys/fs/cgroup')
  return top?.split(' ')[2] === 'cgroup2' ? 'v2' : 'v1'
}

/** Distributions whose configuration is made elsewhere, and the place where it is made. */
const elsewhere: readonly (readonly [id: string, name: string, where: string])[] = [
  ['talos', 'Talos', 'machine.files and the CRI customization part of the machine config'],
  ['bottlerocket', 'Bottlerocket', 'settings.container-runtime and settings.kubernetes of its API'],
  ['cos', 'Container-Optimized OS', 'the runtime configuration file of the GKE node pool'],
  ['flatcar', 'Flatcar', 'its Butane or Ignition config, with CONTAINERD_CONFIG in a drop-in of containerd.service'],
  ['rhcos', 'Red Hat CoreOS', 'a ContainerRuntimeConfig or MachineConfig object'],
  ['scos', 'CentOS Stream CoreOS', 'a ContainerRuntimeConfig or MachineConfig object'],
]

/** Kubernetes services whose own scripts set up the nodes, whatever distribution these run: what only they put on a host. */
const managed: readonly (readonly [sign: string, name: string, where: string])[] = [
  ['/etc/eks', 'Amazon EKS', 'spec.containerd.config of the NodeConfig in the user data of the node group'],
  // Not /etc/kubernetes/azure.json: kubeadm clusters on Azure have that one too.
  ['/opt/azure/containers', 'AKS', 'a new node pool (its --kubelet-config and --linux-os-config)'],
  ['/home/kubernetes/kube-env', 'GKE', 'the runtime configuration file of the GKE node pool'],
]

/** Units whose kubelet lives in another program, which writes the engine's configuration itself at each start. */
const embedded: readonly (readonly [unit: string, name: string, where: string])[] = [
  ['k3s.service', 'k3s', '/var/lib/rancher/k3s/agent/etc/containerd/config-v3.toml.tmpl'],
  ['k3s-agent.service', 'k3s', '/var/lib/rancher/k3s/agent/etc/containerd/config-v3.toml.tmpl'],
  ['rke2-server.service', 'rke2', '/var/lib/rancher/rke2/agent/etc/containerd/config-v3.toml.tmpl'],
  ['rke2-agent.service', 'rke2', '/var/lib/rancher/rke2/agent/etc/containerd/config-v3.toml.tmpl'],
  ['k0scontroller.service', 'k0s', 'a drop-in below /etc/k0s/containerd.d'],
  ['k0sworker.service', 'k0s', 'a drop-in below /etc/k0s/containerd.d'],
  ['snap.microk8s.daemon-kubelite.service', 'microk8s', '/var/snap/microk8s/current/args/containerd-template.toml'],
]

const unitFolders = [
  '/etc/systemd/system',
  '/usr/local/lib/systemd/system',
  '/usr/lib/systemd/system',
  '/lib/systemd/system',
]

/** Why a host of this kind is left untouched, and where to make the change instead. */
export async function unsupported(host: Host, { id }: OperatingSystem): Promise<Refusal | undefined> {
  const made = elsewhere.find(([each]) => each === id)
  if (made) return report(`${made[1]} keeps its system read-only`, made[2])
  for (const [sign, name, where] of managed) {
    if ((await host.realPath(sign)) === undefined) continue
    return report(`${name} made this node and writes its configuration itself`, where)
  }
  const units = new Set<string>()
  for (const folder of unitFolders) for (const name of await host.listFolder(folder)) units.add(name)
  if (units.has('kubelet.service')) return undefined
  const inside = embedded.find(([unit]) => units.has(unit))
  return inside
    ? report(`${inside[1]} runs its own kubelet and engine and writes their configuration itself`, inside[2])
    : undefined
}

function report(why: string, where: string): Refusal {
  return {
    reason: 'HostNotSupported',
    message: `${why}, so Drydock only looks at this node: make the change in ${where}`,
  }
}

export function osObserved(os: OperatingSystem, supported: boolean): NonNullable<Observed['os']> {
  return { id: os.id, ...(os.version ? { version: os.version } : {}), kernel: os.kernel, supported }
}
