import { mkdir, symlink, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { suites } from './base.ts'
import { type Certificate, trusted } from './certificate.ts'
import type { CgroupDriver } from './containerd-config.ts'
import { hostAddress, nodeAddress, packagesPort, podNetwork, podSubnet } from './network.ts'
import { type NodeKindName, nodeKinds } from './node-kind.ts'
import { must } from './process.ts'

export interface NodeSpec {
  name: string
  kind: NodeKindName
  controlPlane: boolean
  /** Packages of its release that it has beyond those of its kind. */
  packages?: readonly string[]
}

export interface NodePlan {
  /** All nodes in the order that gives them their addresses. */
  nodes: readonly NodeSpec[]
  cgroupDriver: CgroupDriver
  sandboxImage: string
}

/** Where the node sees the hyperkube binary. */
export const hyperkubeFolder = '/usr/local/lib/kubernetes'

/** Writes all that makes a copy of a base into this node of this cluster. */
export async function furnish(root: string, index: number, { plan, offers }: Furnishing): Promise<void> {
  const spec = plan.nodes[index]!
  const kind = nodeKinds[spec.kind]
  const files: Record<string, string> = {
    ...identity(index, plan),
    ...kubernetesFiles(spec),
    '/etc/apt/sources.list': [suites[kind.release], ...(offers ? ['newer'] : [])].map(repository).join(''),
    '/etc/cni/net.d/10-testbed.conflist': podNetworkConfig(index),
    ...kind.engine?.files(plan),
    ...(offers && (await trusted(offers))),
  }
  for (const [path, text] of Object.entries(files)) {
    await mkdir(join(root, dirname(path)), { recursive: true })
    await writeFile(join(root, path), text)
  }
  await mkdir(join(root, 'etc/kubernetes/manifests'), { recursive: true })
  for (const name of ['kubelet', 'kubeadm', 'kubectl', 'kube-proxy']) {
    await symlink(`${hyperkubeFolder}/${name}`, join(root, 'usr/bin', name))
  }
  await enable(root, `/etc/systemd/system/${mountsUnit}`, 'sysinit.target')
  if (!kind.engine) return
  await enable(root, '/lib/systemd/system/kubelet.service', 'multi-user.target')
  const { enabled } = kind.engine
  // As a person would, by the node's own systemctl: a unit may have other names, and releases write links differently.
  const systemctl = ['env', 'SYSTEMD_OFFLINE=1', 'chroot', root, 'systemctl', '--quiet']
  if (enabled.length > 0) await must([...systemctl, 'enable', ...enabled])
}

/** What a cluster's nodes are furnished for. */
export interface Furnishing {
  plan: NodePlan
  /** The certificate of the server that they may install engines from. */
  offers?: Certificate
}

const repository = (name: string): string => `deb [trusted=yes] http://${hostAddress}:${packagesPort}/${name} ./\n`

const mountsUnit = 'testbed-mounts.service'

async function enable(root: string, unit: string, target: string): Promise<void> {
  const wants = join(root, 'etc/systemd/system', `${target}.wants`)
  await mkdir(wants, { recursive: true })
  await symlink(unit, join(wants, basename(unit)))
}

function identity(index: number, { nodes }: NodePlan): Record<string, string> {
  const names = nodes.map(({ name }, at) => `${nodeAddress(at)} ${name}\n`).join('')
  const routes = nodes
    .flatMap((_, at) => (at === index ? [] : [`[Route]\nDestination=${podSubnet(at)}\nGateway=${nodeAddress(at)}\n`]))
    .join('\n')
  return {
    '/etc/hostname': `${nodes[index]!.name}\n`,
    '/etc/hosts': `127.0.0.1 localhost\n${hostAddress} testbed\n${names}`,
    // Nobody answers there: a look-up fails at once instead of leaving the machine.
    '/etc/resolv.conf': `nameserver ${hostAddress}\n`,
    // Sorts before systemd's own 80-container-host0.network, which asks DHCP.
    '/etc/systemd/network/10-host0.network': `[Match]
Name=host0

[Network]
Address=${nodeAddress(index)}/24
Gateway=${hostAddress}
LinkLocalAddressing=no
IPv6AcceptRA=no

${routes}`,
    [`/etc/systemd/system/${mountsUnit}`]: `[Unit]
Description=Make cgroups and sysctls of this node writable
DefaultDependencies=no
Before=sysinit.target systemd-sysctl.service containerd.service docker.service crio.service kubelet.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh -c 'for h in /sys/fs/cgroup/*; do mount -o remount,bind,rw "$h" || true; done'
ExecStart=/bin/mount -o remount,bind,rw /proc/sys
ExecStart=/bin/sh -c 'echo 1 > /proc/sys/net/ipv4/ip_forward'
ExecStart=/bin/mount --make-rshared /
# systemd found the hierarchies read-only when it started, and would put no unit into them.
ExecStart=/bin/systemctl --no-block daemon-reexec

[Install]
WantedBy=sysinit.target
`,
  }
}

/** The kubelet's units as the upstream packages lay them out; kube-proxy as a unit, because its image is of no interest here. */
function kubernetesFiles(spec: NodeSpec): Record<string, string> {
  return {
    '/lib/systemd/system/kubelet.service': `[Unit]
Description=kubelet: The Kubernetes Node Agent
Documentation=https://kubernetes.io/docs/
Wants=network-online.target
After=network-online.target

[Service]
ExecStart=/usr/bin/kubelet
Restart=always
StartLimitInterval=0
RestartSec=10

[Install]
WantedBy=multi-user.target
`,
    '/usr/lib/systemd/system/kubelet.service.d/10-kubeadm.conf': `# Note: This dropin only works with kubeadm and kubelet v1.11+
[Service]
Environment="KUBELET_KUBECONFIG_ARGS=--bootstrap-kubeconfig=/etc/kubernetes/bootstrap-kubelet.conf --kubeconfig=/etc/kubernetes/kubelet.conf"
Environment="KUBELET_CONFIG_ARGS=--config=/var/lib/kubelet/config.yaml"
# This is a file that "kubeadm init" and "kubeadm join" generates at runtime, populating the KUBELET_KUBEADM_ARGS variable dynamically
EnvironmentFile=-/var/lib/kubelet/kubeadm-flags.env
# This is a file that the user can use for overrides of the kubelet args as a last resort. Preferably, the user should use
# the .NodeRegistration.KubeletExtraArgs object in the configuration files instead. KUBELET_EXTRA_ARGS should be sourced from this file.
EnvironmentFile=-/etc/default/kubelet
ExecStart=
ExecStart=/usr/bin/kubelet $KUBELET_KUBECONFIG_ARGS $KUBELET_CONFIG_ARGS $KUBELET_KUBEADM_ARGS $KUBELET_EXTRA_ARGS
`,
    '/lib/systemd/system/kube-proxy.service': `[Unit]
Description=kube-proxy
ConditionPathExists=/var/lib/kube-proxy/kubeconfig
After=network.target

[Service]
ExecStart=/usr/bin/kube-proxy --config=/var/lib/kube-proxy/config.yaml
Restart=always
RestartSec=2

[Install]
WantedBy=multi-user.target
`,
    // Zeros leave the kernel's conntrack limits alone: they belong to the machine, not to the node.
    '/var/lib/kube-proxy/config.yaml': `apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
clientConnection: {kubeconfig: /var/lib/kube-proxy/kubeconfig}
hostnameOverride: ${spec.name}
clusterCIDR: ${podNetwork}
mode: iptables
conntrack: {maxPerCore: 0, min: 0, tcpEstablishedTimeout: 0s, tcpCloseWaitTimeout: 0s}
`,
  }
}

function podNetworkConfig(index: number): string {
  const bridge = {
    type: 'bridge',
    bridge: 'cni0',
    isGateway: true,
    hairpinMode: true,
    ipam: { type: 'host-local', ranges: [[{ subnet: podSubnet(index) }]], routes: [{ dst: '0.0.0.0/0' }] },
  }
  const plugins = [bridge, { type: 'portmap', capabilities: { portMappings: true } }]
  return `${JSON.stringify({ cniVersion: '0.4.0', name: 'testbed', plugins }, null, 2)}\n`
}
