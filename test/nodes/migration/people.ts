/** What people want of a node comes first: other profiles, disruption budgets, their own cordon, and a clean way out. */
import { apply, namespace } from '../../support/install.ts'
import { type Bed, profileOf, type Scenario, until } from './bed.ts'
import { workload } from './pods.ts'

const target = { cgroupDriver: 'systemd', handlers: [{ name: 'runc', default: true }] } as const
const spec = { ...target, handlers: [...target.handlers] }

export const twoProfiles: Scenario = async (t, bed) => {
  const [node = ''] = bed.workers
  const [before, log] = [await bed.state(node), bed.mark()]
  await apply(bed.cluster, profileOf('mine', [node], spec), profileOf('yours', [node], { cgroupDriver: 'cgroupfs' }))
  for (const [name, rival] of [
    ['mine', 'yours'],
    ['yours', 'mine'],
  ] as const) {
    const says = new RegExp(`${node} is also selected by RuntimeProfile ${rival}: change a nodeSelector`)
    await until(
      `${name} says who its rival is`,
      async () => says.test((await bed.profile(name)).status?.message ?? '') || undefined,
    )
    t.match(await bed.stalled(name), says)
  }
  t.same(await bed.state(node), before, 'no file was changed, no unit restarted')
  const touched = (await bed.writes(log)).filter(({ resource, name }) => resource === 'nodes' && name === node)
  t.same(touched, [], 'the Node was left alone')
  await bed.leave('mine', 'yours')
}

export const closedBudget: Scenario = async (t, bed) => {
  const node = bed.workers[0]!
  const before = await bed.state(node)
  await apply(bed.cluster, ...workload('cart', 1, 0, [node]))
  await bed.kubectl('rollout', 'status', 'deployment/cart', '--timeout=60s')
  const says = /PDB default\/cart allows 0 disruptions/
  await apply(bed.cluster, profileOf('blocked', [node], spec))
  await until('the sentence that names the budget', async () => {
    const { status } = await bed.profile('blocked')
    return says.test(status?.message ?? '') || undefined
  })
  t.notOk((await bed.node(node)).spec.unschedulable, 'not cordoned while it waits')
  t.same(await bed.state(node), before, 'unchanged')
  await bed.kubectl('delete', 'poddisruptionbudget', 'cart')
  await bed.ready('blocked')
  t.match((await bed.report('blocked')).status, { phase: 'Succeeded', nodes: [{ name: node, result: 'Changed' }] })
  await bed.leave('blocked')
  await bed.kubectl('delete', 'deployment', 'cart')
}

export const cordonOfSomebody: Scenario = async (t, bed) => {
  const node = bed.workers[1]!
  await bed.kubectl('cordon', node)
  await apply(bed.cluster, profileOf('careful', [node], spec))
  await bed.ready('careful')
  t.equal((await bed.node(node)).spec.unschedulable, true, 'still cordoned after the change')
  await bed.leave('careful')
  t.equal((await bed.node(node)).spec.unschedulable, true, 'and after the way back')
  await bed.kubectl('uncordon', node)
}

const traces =
  'ls -d /opt/drydock /var/lib/drydock /run/drydock* /etc/systemd/system/*drydock* /etc/systemd/system/*/*drydock* /etc/containerd/.drydock* 2>/dev/null || true; systemctl list-units --all --no-legend "drydock*"'

/** After deletion of the profile and `helm uninstall` nothing is left. */
export const uninstall: Scenario = async (t, bed) => {
  const node = bed.workers[1]!
  const helm = ['uninstall', 'drydock', '--namespace', namespace, '--wait', '--timeout=5m']
  await apply(bed.cluster, profileOf('last', [node], spec))
  await bed.ready('last')
  const refused = await bed.cluster.helm(helm)
  t.not(refused.code, 0, 'refused while there is a profile')
  t.match(await jobLog(bed), /RuntimeProfile last still exists: delete it first/)
  await bed.ready('last')
  await bed.leave('last')
  const done = await bed.cluster.helm(helm)
  t.equal(done.code, 0, done.stderr)
  for (const { name } of bed.cluster.nodes) {
    t.same(await leftOn(bed, name), [], `${name}: nothing of Drydock`)
    const { metadata } = await bed.node(name)
    const marks = Object.keys({ ...metadata.labels, ...metadata.annotations }).filter((key) => key.includes('drydock'))
    t.same(marks, [], `${name}: no label, no annotation`)
  }
  const names = ['job drydock-uninstall', 'pod drydock-uninstall', 'lease drydock-operator']
  await leftInCluster(bed).then((left) => t.same(left, names, 'what the notes name'))
  t.match(await jobLog(bed), /Drydock is off the nodes/, 'what it says can be read afterwards')
  await bed.kubectl('delete', 'crd', '-l', 'app.kubernetes.io/managed-by=drydock', '--ignore-not-found')
}

/** The engine closes its socket a moment after it has said that it is off. */
async function leftOn(bed: Bed, node: string): Promise<readonly string[]> {
  const end = Date.now() + 5_000
  for (;;) {
    const left = (await bed.shell(node, traces)).split('\n').filter(Boolean)
    if (left.length === 0 || Date.now() > end) return left
    await new Promise((resolve) => setTimeout(resolve, 250))
  }
}

async function jobLog(bed: Bed): Promise<string> {
  return bed.kubectl('logs', '-n', namespace, '-l', 'app.kubernetes.io/component=uninstall', '--tail=20')
}

const kinds = [
  ...['deployment', 'daemonset', 'job', 'pod', 'service', 'secret', 'serviceaccount', 'role', 'rolebinding', 'lease'],
  ...['networkpolicy', 'configmap'],
]
const clusterKinds = [
  ...['clusterrole', 'clusterrolebinding', 'runtimeclass', 'validatingadmissionpolicy'],
  ...['validatingadmissionpolicybinding', 'noderuntime', 'runtimeprofile'],
]

async function leftInCluster(bed: Bed): Promise<readonly string[]> {
  const ask = (...args: readonly string[]) =>
    bed.kubectl('get', ...args, '-o', 'jsonpath={range .items[*]}{.kind} {.metadata.name}{"\\n"}{end}')
  const found = `${await ask(kinds.join(), '-n', namespace)}${await ask(clusterKinds.join())}`
  return found
    .split('\n')
    .filter((line) => /drydock|NodeRuntime|RuntimeProfile|RuntimeClass/.test(line))
    .map((line) => line.toLowerCase().replace(/^(pod drydock-uninstall)-.*/, '$1'))
}
