/**
 * The agent's DaemonSet. The operator loads what this gives, sets namespace, pull policy, pull secrets, the image of
 * both containers and the variable AGENT_IMAGE, and applies it: the running operator needs no cdk8s.
 */

import { dirname } from 'node:path/posix'
import { Chart } from 'cdk8s'
import { k8s } from 'cdk8s-plus-27'
import type { Construct } from 'constructs'
import { courierID, engineSocket, labels, managedByValue } from '../../crds/protocol.ts'
import { agentName, selectorOf } from './names.ts'

/** The operator replaces it; a kubelet that ever sees it says InvalidImageName and not something about a registry. */
export const imagePlaceholder = 'SET-BY-THE-OPERATOR'

const tokenFolder = '/var/run/secrets/kubernetes.io/serviceaccount'
/** What the installer found out about the host, for the courier to report. */
const handoverFolder = '/run/drydock-installer'

/**
 * Small heaps, no compiler, no snapshot (3 MB for a start that is 70 ms shorter): most of what the agent takes is the
 * program itself, and it does next to nothing.
 */
const node = [
  '/usr/local/bin/node',
  '--lite-mode',
  '--no-node-snapshot',
  '--max-semi-space-size=1',
  '--max-old-space-size=64',
]

export class AgentChart extends Chart {
  constructor(scope: Construct, id: string) {
    super(scope, id)
    const podLabels = { ...selectorOf('agent'), [labels.managedBy]: managedByValue }
    new k8s.KubeDaemonSet(this, 'agent', {
      metadata: { name: agentName, labels: podLabels },
      spec: {
        selector: { matchLabels: selectorOf('agent') },
        updateStrategy: {
          type: 'RollingUpdate',
          rollingUpdate: { maxUnavailable: k8s.IntOrString.fromString('10%') },
        },
        template: { metadata: { labels: podLabels }, spec: podSpec() },
      },
    })
  }
}

function podSpec(): k8s.PodSpec {
  return {
    serviceAccountName: agentName,
    // The token below is the only one: short-lived, and of this pod on this node.
    automountServiceAccountToken: false,
    enableServiceLinks: false,
    // Nothing is looked up by name: not having a cluster DNS must not matter.
    dnsPolicy: 'Default',
    priorityClassName: 'system-node-critical',
    nodeSelector: { 'kubernetes.io/os': 'linux' },
    // A node that is cordoned, tainted or without a network is exactly where the agent is needed.
    tolerations: [{ operator: 'Exists' }],
    terminationGracePeriodSeconds: 5,
    // For the installer: systemctl refuses a systemd that it cannot see, and nobody can enter an outer PID namespace.
    hostPid: true,
    initContainers: [installer],
    containers: [courier],
    volumes: [
      { name: 'host', hostPath: { path: '/', type: 'Directory' } },
      // The folder, not the socket in it: the socket is made anew when the engine is upgraded.
      { name: 'engine', hostPath: { path: dirname(engineSocket), type: 'DirectoryOrCreate' } },
      { name: 'handover', emptyDir: { sizeLimit: k8s.Quantity.fromString('1Mi') } },
      {
        name: 'token',
        projected: {
          defaultMode: 0o444,
          sources: [
            { serviceAccountToken: { path: 'token', expirationSeconds: 3600 } },
            { configMap: { name: 'kube-root-ca.crt', items: [{ key: 'ca.crt', path: 'ca.crt' }] } },
          ],
        },
      },
    ],
  }
}

/** The one privileged container: it puts the node engine on the host and ends. */
const installer: k8s.Container = {
  name: 'installer',
  image: imagePlaceholder,
  imagePullPolicy: 'IfNotPresent',
  command: [...node, '/app/installer.cjs'],
  args: ['--host=/host', `--handover=${handoverFolder}`],
  resources: {
    requests: { cpu: k8s.Quantity.fromString('10m'), memory: k8s.Quantity.fromString('32Mi') },
    limits: { memory: k8s.Quantity.fromString('256Mi') },
  },
  securityContext: {
    privileged: true,
    runAsUser: 0,
    runAsGroup: 0,
    readOnlyRootFilesystem: true,
  },
  volumeMounts: [
    { name: 'host', mountPath: '/host' },
    { name: 'handover', mountPath: handoverFolder },
  ],
}

const courier: k8s.Container = {
  name: 'courier',
  image: imagePlaceholder,
  imagePullPolicy: 'IfNotPresent',
  command: [...node, '/app/courier.cjs'],
  args: [
    '--node=$(NODE_NAME)',
    '--image=$(AGENT_IMAGE)',
    `--handover=${handoverFolder}`,
    `--token-folder=${tokenFolder}`,
  ],
  env: [
    { name: 'NODE_NAME', valueFrom: { fieldRef: { fieldPath: 'spec.nodeName' } } },
    // The image's own name, which no container can look up: the engine proves handlers with it.
    { name: 'AGENT_IMAGE', value: imagePlaceholder },
  ],
  resources: {
    requests: { cpu: k8s.Quantity.fromString('5m'), memory: k8s.Quantity.fromString('48Mi') },
    limits: { memory: k8s.Quantity.fromString('128Mi') },
  },
  securityContext: {
    privileged: false,
    allowPrivilegeEscalation: false,
    readOnlyRootFilesystem: true,
    runAsNonRoot: true,
    runAsUser: courierID,
    runAsGroup: courierID,
    capabilities: { drop: ['ALL'] },
    seccompProfile: { type: 'RuntimeDefault' },
  },
  volumeMounts: [
    { name: 'engine', mountPath: dirname(engineSocket) },
    { name: 'handover', mountPath: handoverFolder, readOnly: true },
    { name: 'token', mountPath: tokenFolder, readOnly: true },
  ],
}
