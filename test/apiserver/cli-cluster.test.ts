import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import t from 'tap'
import { run } from '../../cli/program.ts'
import { plain } from '../../cli/render/paint.ts'
import { installCrds } from './crds.ts'
import { type ApiServer, startApiServer } from './server.ts'

const server = await startApiServer({ log: (line) => t.comment(line) })
t.teardown(() => server.stop())

interface Ended {
  code: number
  stdout: string
  stderr: string
}

const drydock = async (argv: readonly string[], kubeconfig = server.kubeconfigPath): Promise<Ended> => {
  const said = { stdout: '', stderr: '' }
  const into = (stream: keyof typeof said) => async (text: string) => {
    said[stream] += text
  }
  const terminal = { input: process.stdin, print: into('stdout'), complain: into('stderr'), paint: plain, width: 100 }
  return { code: await run(['--kubeconfig', kubeconfig, ...argv], terminal), ...said }
}

const create = async (path: string, body: object): ReturnType<ApiServer['request']> => {
  const answer = await server.request(path, { method: 'POST', body })
  if (answer.status !== 201) throw new Error(`${path}: ${answer.body.message}`)
  return answer
}

const writeStatus = async (path: string, status: object): Promise<void> => {
  const headers = { 'content-type': 'application/merge-patch+json' }
  const answer = await server.request(`${path}/status`, { method: 'PATCH', body: { status }, headers })
  if (answer.status !== 200) throw new Error(`${path}: ${answer.body.message}`)
}

const ready = { conditions: [{ type: 'Ready', status: 'True' }] }
const ours = '/apis/drydock.dev/v1alpha1'

await create('/api/v1/namespaces', { metadata: { name: 'shop' } })
await create('/api/v1/namespaces/shop/serviceaccounts', { metadata: { name: 'default' } })
for (const name of ['w1', 'w2']) {
  await create('/api/v1/nodes', { metadata: { name, labels: { pool: name } } })
  const nodeInfo = { containerRuntimeVersion: 'containerd://1.7.24' }
  await writeStatus(`/api/v1/nodes/${name}`, { ...ready, nodeInfo })
}
const pod = async (name: string, nodeName: string, spec: object = {}) => {
  await create('/api/v1/namespaces/shop/pods', {
    metadata: {
      name,
      labels: { app: 'shop' },
      ownerReferences: [{ apiVersion: 'apps/v1', kind: 'StatefulSet', name: 'shop', uid: 'u', controller: true }],
    },
    spec: { nodeName, containers: [{ name: 'main', image: 'shop:1' }], ...spec },
  })
  await writeStatus(`/api/v1/namespaces/shop/pods/${name}`, { phase: 'Running', ...ready })
}
await pod('shop-0', 'w1')
await pod('shop-1', 'w2', { volumes: [{ name: 'scratch', emptyDir: {} }] })
await create('/apis/policy/v1/namespaces/shop/poddisruptionbudgets', {
  metadata: { name: 'shop' },
  spec: { minAvailable: 2, selector: { matchLabels: { app: 'shop' } } },
})

t.test('without Drydock in the cluster', async (t) => {
  for (const argv of [['status'], ['plan'], ['plan', 'w1'], ['report'], ['report', 'x'], ['report', '--list']]) {
    const { code, stdout, stderr } = await drydock(argv)
    t.equal(code, 3, argv.join(' '))
    t.equal(stdout, '')
    t.equal(
      stderr,
      'drydock: Drydock is not installed in this cluster: helm install drydock charts/drydock --namespace drydock-system --create-namespace\n',
    )
  }
  const { code, stdout } = await drydock(['preflight', '--node', 'w1'])
  t.equal(code, 1, 'preflight needs no Drydock')
  t.match(stdout, /PodDisruptionBudget shop\/shop\n {4}allows 0 disruptions now/)
})

t.test('with nothing but the CRDs', async (t) => {
  await installCrds(server)
  const status = await drydock(['status'])
  t.match(status.stdout, /There is no RuntimeProfile/)
  t.match(status.stdout, /No node has reported/)
  t.equal(status.code, 0)
  t.match(await drydock(['report', '--list']), { code: 0, stdout: 'there is no MigrationReport yet\n' })
  t.match(await drydock(['report']), { code: 3, stderr: /apply a RuntimeProfile first/ })
  t.match(await drydock(['report', 'x']), { code: 3, stderr: /no MigrationReport x/ })
  t.match(await drydock(['plan', 'w1']), { code: 3, stderr: /no NodeRuntime w1/ })
  t.match(await drydock(['preflight', '--profile', 'p']), { code: 3, stderr: /no RuntimeProfile p/ })
})

t.test('a cluster with a rollout', async (t) => {
  await create(`${ours}/runtimeprofiles`, {
    apiVersion: 'drydock.dev/v1alpha1',
    kind: 'RuntimeProfile',
    metadata: { name: 'workers' },
    spec: {
      nodeSelector: { matchLabels: { pool: 'w2' } },
      engine: { name: 'cri-o', version: '1.36' },
      rollout: { drain: { deleteEmptyDirData: true } },
    },
  })
  await create(`${ours}/noderuntimes`, {
    apiVersion: 'drydock.dev/v1alpha1',
    kind: 'NodeRuntime',
    metadata: { name: 'w2' },
    spec: {
      permit: 'Prepare',
      profile: 'workers',
      revision: 'abc',
      attempt: 1,
      fence: 1,
      nodeUID: 'u',
      target: { engine: { name: 'cri-o', version: '1.36' } },
    },
  })
  await writeStatus(`${ours}/noderuntimes/w2`, {
    revision: 'abc',
    attempt: 1,
    phase: 'Prepared',
    action: 'DrainSwitch',
    notes: ['--network-plugin is removed: the kubelet refuses it.'],
    observed: {
      engine: { name: 'containerd', version: '1.7.24' },
      cgroup: { engineDriver: 'cgroupfs', kubeletDriver: 'cgroupfs' },
    },
    changes: [
      { path: '/etc/containerd/config.toml', diff: '@@ -1 +1 @@\n-SystemdCgroup = false\n+SystemdCgroup = true\n' },
    ],
  })
  await create(`${ours}/migrationreports`, {
    apiVersion: 'drydock.dev/v1alpha1',
    kind: 'MigrationReport',
    metadata: { name: 'workers-abc' },
    spec: { profile: 'workers', revision: 'abc' },
  })
  await writeStatus(`${ours}/migrationreports/workers-abc`, {
    phase: 'Running',
    startTime: '2026-01-01T00:00:00Z',
    nodes: [{ name: 'w2', result: 'Changed' }],
  })

  t.test('plan shows the diff without colours in a pipe, or as JSON', async (t) => {
    const { code, stdout } = await drydock(['plan', 'w2'])
    t.equal(code, 0)
    t.equal(
      stdout,
      'w2: Prepared, DrainSwitch (the node is drained, then its pods are created anew on another engine)\n  containerd 1.7.24 → cri-o 1.36\n  ! --network-plugin is removed: the kubelet refuses it.\n@@ -1 +1 @@\n-SystemdCgroup = false\n+SystemdCgroup = true\n',
    )
    const [plan] = JSON.parse((await drydock(['plan', '-o', 'json'])).stdout)
    t.match(plan, {
      node: 'w2',
      phase: 'Prepared',
      action: 'DrainSwitch',
      engine: { from: 'containerd 1.7.24', to: 'cri-o 1.36' },
      changes: [{ path: '/etc/containerd/config.toml' }],
    })
  })

  t.test('status names profiles and nodes', async (t) => {
    const { stdout } = await drydock(['status'])
    t.match(stdout, /workers +Unknown +0\/0/)
    t.match(stdout, /w2 +workers +Prepared +DrainSwitch +containerd 1\.7\.24 → cri-o +cgroupfs/)
    const { profiles, nodes } = JSON.parse((await drydock(['status', '--output', 'json'])).stdout)
    t.equal(profiles[0].metadata.name, 'workers')
    t.equal(nodes[0].metadata.name, 'w2')
  })

  t.test('report in each form, to a file too', async (t) => {
    t.match((await drydock(['report'])).stdout, /^# workers-abc\n/)
    t.equal(JSON.parse((await drydock(['report', 'workers-abc', '-o', 'json'])).stdout).kind, 'MigrationReport')
    t.match((await drydock(['report', '--list'])).stdout, /workers-abc +workers +Running +2026-01-01T00:00:00Z/)
    const file = join(t.testdir(), 'report.html')
    t.match(await drydock(['report', '-o', 'html', '--output-file', file]), { code: 0, stdout: '', stderr: '' })
    t.match(await readFile(file, 'utf8'), /^<!doctype html>.*w2.*<\/html>\n$/s)
  })

  t.test('preflight heeds the drain settings of the profile, and ends well once the budget opens', async (t) => {
    const blocked = await drydock(['preflight', '--profile', 'workers', '-o', 'json'])
    t.equal(blocked.code, 1)
    const { nodes, findings } = JSON.parse(blocked.stdout)
    t.strictSame(nodes, ['w2'])
    t.match(findings, [{ severity: 'Blocking', subject: 'PodDisruptionBudget shop/shop' }])
    await writeStatus('/apis/policy/v1/namespaces/shop/poddisruptionbudgets/shop', {
      disruptionsAllowed: 1,
      currentHealthy: 2,
      desiredHealthy: 1,
      expectedPods: 2,
    })
    const open = await drydock(['preflight', '--profile', 'workers'])
    t.match(open, { code: 0, stdout: 'Nothing blocks a rollout on 1 node.\n', stderr: '' })
    const other = await drydock(['preflight'])
    t.match(other.stdout, /Node w1\n {4}has not reported/, 'w1 has no agent')
  })
})

t.test('who may not look, and who finds nobody', async (t) => {
  const token = await server.serviceAccountToken({ namespace: 'shop', name: 'default' })
  const forbidden = await drydock(['status'], await server.kubeconfig(token))
  t.match(forbidden, { code: 3, stderr: /^drydock: .*forbidden.*: ask for a role that may get and list it\n$/ })
  t.match(await drydock(['status'], await server.kubeconfig('wrong')), { code: 3, stderr: /log in again/ })

  const closed = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => closed.once('listening', resolve))
  const { port } = closed.address() as AddressInfo
  await new Promise((resolve) => closed.close(resolve))
  const kubeconfig = (await readFile(server.kubeconfigPath, 'utf8')).replaceAll(server.url, `https://127.0.0.1:${port}`)
  const file = join(t.testdir({ config: kubeconfig }), 'config')
  const away = await drydock(['status'], file)
  t.match(away, { code: 3, stderr: /the API server does not answer .*check that the cluster is up/ })
})
