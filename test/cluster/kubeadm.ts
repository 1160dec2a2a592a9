import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { stringify } from 'yaml'
import type { CgroupDriver } from './containerd-config.ts'
import { containerd } from './engines/containerd.ts'
import { nodeAddress, serviceNetwork } from './network.ts'
import { enter, type Machine } from './node.ts'
import type { NodeSpec } from './node-files.ts'
import { nodeKinds } from './node-kind.ts'
import { type Output, succeeded } from './process.ts'

/** A bootstrap token for a network that nobody else is on. */
const tokenId = 'dryd0c'
const token = `${tokenId}.0123456789abcdef`
const initFile = '/etc/kubernetes/testbed-init.yaml'
const joinFile = '/etc/kubernetes/testbed-join.yaml'

/** Where the API server writes a line for each request, on the control-plane node. */
export const auditLog = '/var/log/kubernetes/audit.log'

/** Makes the machine the control plane of a new cluster: `kubeadm init`, without CoreDNS and kube-proxy. */
export async function initialize(machine: Machine, version: string, cgroupDriver: CgroupDriver): Promise<void> {
  await writeInto(machine, initFile, initConfig(machine.spec, version, cgroupDriver))
  await writeInto(machine, '/etc/kubernetes/audit/policy.yaml', stringify(auditPolicy))
  await mkdir(join(machine.root, 'var/log/kubernetes'), { recursive: true })
  const skipped = '--skip-phases=addon/coredns,addon/kube-proxy'
  await kubeadm(machine, ['init', '--config', initFile, skipped, '--skip-token-print'], 300_000)
}

/** The field of kube-public/cluster-info without which `kubeadm join` waits ten seconds before it asks again. */
export const discoverySignature = `jws-kubeconfig-${tokenId}`

/** Makes the machine a worker: `kubeadm join`. */
export async function joinCluster(machine: Machine, index: number): Promise<void> {
  await writeInto(machine, joinFile, joinConfig(machine.spec, index))
  await kubeadm(machine, ['join', '--config', joinFile], 300_000)
}

/** The kubeconfig that every node's kube-proxy uses. */
export async function proxyKubeconfig(controlPlane: Machine): Promise<string> {
  return kubeadm(
    controlPlane,
    ['kubeconfig', 'user', '--client-name', 'system:kube-proxy', '--config', initFile],
    120_000,
  )
}

export async function startProxy(machine: Machine, kubeconfig: string): Promise<void> {
  await writeInto(machine, '/var/lib/kube-proxy/kubeconfig', kubeconfig)
  const argv = ['systemctl', 'enable', '--now', '--quiet', 'kube-proxy.service']
  succeeded(argv, await enter(machine, argv, { timeout: 60_000 }))
}

export async function adminKubeconfig(controlPlane: Machine): Promise<string> {
  return readFile(join(controlPlane.root, 'etc/kubernetes/admin.conf'), 'utf8')
}

async function kubeadm(machine: Machine, args: readonly string[], timeout: number): Promise<string> {
  const argv = ['kubeadm', ...args]
  const output: Output = await enter(machine, argv, { timeout })
  return succeeded(argv, output)
}

async function writeInto({ root }: Machine, path: string, text: string): Promise<void> {
  await mkdir(join(root, path, '..'), { recursive: true })
  await writeFile(join(root, path), text, { mode: 0o600 })
}

function initConfig(spec: NodeSpec, kubernetesVersion: string, cgroupDriver: CgroupDriver): string {
  const audit = { 'audit-policy-file': '/etc/kubernetes/audit/policy.yaml', 'audit-log-path': auditLog }
  const volume = (name: string, path: string, pathType: string) => {
    return { name, hostPath: path, mountPath: path, readOnly: name === 'audit-policy', pathType }
  }
  return [
    {
      apiVersion: 'kubeadm.k8s.io/v1beta4',
      kind: 'InitConfiguration',
      bootstrapTokens: [{ token, ttl: '0s', groups: ['system:bootstrappers:kubeadm:default-node-token'] }],
      localAPIEndpoint: { advertiseAddress: nodeAddress(0), bindPort: 6443 },
      nodeRegistration: registration(spec, 0),
      timeouts,
    },
    {
      apiVersion: 'kubeadm.k8s.io/v1beta4',
      kind: 'ClusterConfiguration',
      kubernetesVersion,
      // No podSubnet: nodes get their pod addresses from the test bed, in the order of the nodes, not from the
      // controller manager in the order in which they happen to join.
      networking: { serviceSubnet: serviceNetwork },
      apiServer: {
        extraArgs: args(audit),
        extraVolumes: [
          volume('audit-policy', '/etc/kubernetes/audit', 'Directory'),
          volume('audit-log', '/var/log/kubernetes', 'DirectoryOrCreate'),
        ],
      },
      // Alone, they need not agree on a leader; asking for the lease before the API server is there costs four
      // seconds, and the default rate of requests five more, before nodes may join.
      controllerManager: {
        extraArgs: args({ 'leader-elect': 'false', 'kube-api-qps': '200', 'kube-api-burst': '400' }),
      },
      scheduler: { extraArgs: args({ 'leader-elect': 'false' }) },
      // A power cut of a node loses no write here (the computer's page cache lives on), so waiting for the disk buys nothing.
      etcd: { local: { dataDir: '/var/lib/etcd', extraArgs: args({ 'unsafe-no-fsync': 'true' }) } },
    },
    {
      apiVersion: 'kubelet.config.k8s.io/v1beta1',
      kind: 'KubeletConfiguration',
      cgroupDriver,
      failCgroupV1: false,
      failSwapOn: false,
      // The disk is the whole computer's: how full it is says nothing about the node, and images that were loaded
      // cannot be pulled again once collected.
      imageGCHighThresholdPercent: 100,
      evictionHard: { 'memory.available': '100Mi', 'nodefs.available': '1%', 'imagefs.available': '1%' },
    },
  ]
    .map((document) => stringify(document))
    .join('---\n')
}

function joinConfig(spec: NodeSpec, index: number): string {
  return stringify({
    apiVersion: 'kubeadm.k8s.io/v1beta4',
    kind: 'JoinConfiguration',
    discovery: {
      bootstrapToken: { token, apiServerEndpoint: `${nodeAddress(0)}:6443`, unsafeSkipCAVerification: true },
    },
    nodeRegistration: registration(spec, index),
    timeouts,
  })
}

/** A computer that does other things beside may take longer than kubeadm's minutes. */
const timeouts = { kubernetesAPICall: '5m', kubeletHealthCheck: '5m', controlPlaneComponentHealthCheck: '5m' }

function registration({ name, kind }: NodeSpec, index: number): object {
  return {
    name,
    criSocket: (nodeKinds[kind].engine ?? containerd).criSocket,
    ignorePreflightErrors: ['all'],
    imagePullPolicy: 'Never',
    kubeletExtraArgs: args({ 'node-ip': nodeAddress(index) }),
  }
}

function args(values: Record<string, string>): { name: string; value: string }[] {
  return Object.entries(values).map(([name, value]) => ({ name, value }))
}

/** Who did what, without bodies. What the cluster's own parts merely read is left out: it is nearly all there is. */
const auditPolicy = {
  apiVersion: 'audit.k8s.io/v1',
  kind: 'Policy',
  omitStages: ['RequestReceived'],
  rules: [
    { level: 'None', userGroups: ['system:nodes'], verbs: ['get', 'list', 'watch'] },
    {
      level: 'None',
      users: [...['system:apiserver', 'system:kube-proxy', 'system:kube-scheduler', 'system:kube-controller-manager']],
      verbs: ['get', 'list', 'watch'],
    },
    { level: 'Metadata' },
  ],
}
