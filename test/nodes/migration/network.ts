/** Networks of pods that work only with what rests during a change. */
import { apply } from '../../support/install.ts'
import { type Bed, busybox, profileOf, type Scenario } from './bed.ts'

const config = '/etc/cni/net.d/10-testbed.conflist'
const plugin = '/usr/lib/cni/asking'
const folder = '/run/asking'

/**
 * Like Calico and Multus it gives no network to a pod that the API server does not know; like Cilium it does nothing without
 * its agent, which is a pod itself.
 */
const program = `#!/bin/sh
refuse() { echo "{\\"cniVersion\\": \\"0.4.0\\", \\"code\\": 999, \\"msg\\": \\"$1\\"}"; exit 1; }
case "$CNI_COMMAND $CNI_ARGS" in VERSION*) exec /usr/lib/cni/bridge ;; esac
[ -e ${folder}/alive ] || refuse "unable to connect to the agent"
case "$CNI_COMMAND $CNI_ARGS" in "ADD "*K8S_POD_NAMESPACE=drydock-proof*) refuse "pods not found" ;; esac
exec /usr/lib/cni/bridge
`

const labels = { app: 'asking' }
const agent = (node: string): object => ({
  apiVersion: 'apps/v1',
  kind: 'DaemonSet',
  metadata: { name: 'asking', namespace: 'kube-system' },
  spec: {
    selector: { matchLabels: labels },
    template: {
      metadata: { labels },
      spec: {
        nodeSelector: { 'kubernetes.io/hostname': node },
        hostNetwork: true,
        tolerations: [{ operator: 'Exists' }],
        volumes: [{ name: 'run', hostPath: { path: folder, type: 'DirectoryOrCreate' } }],
        containers: [
          {
            name: 'agent',
            image: busybox,
            imagePullPolicy: 'Never',
            volumeMounts: [{ name: 'run', mountPath: folder }],
            command: [
              ...['sh', '-c'],
              `touch ${folder}/alive; trap "rm -f ${folder}/alive; exit 0" TERM; while :; do sleep 1d & wait; done`,
            ],
          },
        ],
      },
    },
  },
})

async function takeNetwork(bed: Bed, node: string): Promise<void> {
  await apply(bed.cluster, agent(node))
  await bed.kubectl('rollout', 'status', 'daemonset/asking', '-n', 'kube-system', '--timeout=60s')
  await bed.write(node, plugin, program, '0755')
  await bed.shell(node, `sed -i 's/"type": "bridge"/"type": "asking"/' ${config}; grep -q asking ${config}`)
}

async function giveBack(bed: Bed, node: string): Promise<void> {
  await bed.shell(node, `sed -i 's/"type": "asking"/"type": "bridge"/' ${config}`)
  await bed.kubectl('delete', 'daemonset', 'asking', '-n', 'kube-system', '--timeout=60s')
  await bed.shell(node, `rm -rf ${plugin} ${folder}`)
}

export const dependentNetwork: Scenario = async (t, bed) => {
  const node = bed.workers[1]!
  const before = (await bed.state(node)).files
  await takeNetwork(bed, node)
  try {
    const args = "CNI_ARGS='IgnoreUnknown=1;K8S_POD_NAMESPACE=drydock-proof;K8S_POD_NAME=x'"
    const asked = await bed.tryShell(node, `CNI_COMMAND=ADD ${args} ${plugin} < /dev/null`)
    t.match(asked, { code: 1, stdout: /pods not found/ }, 'a pod of the proof would get no network')
    const handlers = [{ name: 'runc', default: true }]
    await apply(bed.cluster, profileOf('asked', [node], { cgroupDriver: 'systemd', handlers }))
    await bed.ready('asked')
    const [entry] = (await bed.report('asked')).status?.nodes ?? []
    t.match(entry, { result: 'Changed', action: 'DrainRestart', verification: { passed: true } })
    t.match(entry?.notes?.join(), /its plugin asking may need the API server/, 'and what was not proven is said')
    await bed.kubectl('rollout', 'status', 'daemonset/asking', '-n', 'kube-system', '--timeout=60s')
    await bed.leave('asked')
    t.equal((await bed.state(node)).files, before, 'the files are what they were')
    t.notOk((await bed.node(node)).spec.unschedulable, 'in service')
  } finally {
    await giveBack(bed, node)
  }
}
