import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { parseAllDocuments } from 'yaml'
import { KubeClient } from '../../kube/client.ts'
import { systemClock } from '../../kube/clock.ts'
import { inClusterTransport } from '../../kube/in-cluster.ts'
import { silentLog } from '../../kube/log.ts'
import { Courier } from '../../node-agent/courier/courier.ts'
import { engineClient } from '../../node-agent/courier/engine-client.ts'
import { waitFor } from '../cluster/progress.ts'
import { helm } from '../support/helm.ts'
import { installCrds } from './crds.ts'
import { startApiServer } from './server.ts'

const namespace = 'drydock-system'
const server = await startApiServer({ log: (line) => t.comment(line) })
t.teardown(() => server.stop())
await installCrds(server)
const api = '/apis/drydock.dev/v1alpha1'

const created = async (path: string, body: unknown): Promise<void> => {
  const answer = await server.request(path, { method: 'POST', body })
  if (answer.status !== 201) throw new Error(`${path}: ${answer.body.message}`)
}

const metadata = (name: string) => ({ apiVersion: 'v1', metadata: { name } })
await created('/api/v1/namespaces', { ...metadata(namespace), kind: 'Namespace' })
const rendered = await helm('template', 'drydock', 'charts/drydock', '--namespace', namespace)
const wanted = /^(ServiceAccount|(Cluster)?Role(Binding)?|ValidatingAdmissionPolicy(Binding)?)$/
for (const document of parseAllDocuments(rendered)) {
  const object = document.toJSON() as { kind: string; apiVersion: string; metadata: object } | null
  if (!object || !wanted.test(object.kind)) continue
  const { code, stderr } = await server.kubectl(['apply', '--filename', '-'], { input: JSON.stringify(object) })
  if (code !== 0) throw new Error(stderr)
}
for (const node of ['node-a', 'node-b']) {
  await created('/api/v1/nodes', {
    ...metadata(node),
    kind: 'Node',
    metadata: { name: node, labels: { pool: 'workers' }, annotations: { other: 'stays' } },
    spec: { taints: [{ key: 'k', effect: 'NoSchedule' }] },
  })
  await created(`${api}/noderuntimes`, {
    apiVersion: 'drydock.dev/v1alpha1',
    kind: 'NodeRuntime',
    metadata: { name: node },
    spec: { permit: 'Observe' },
  })
}
for (const account of ['drydock-agent', 'drydock-operator']) {
  await created(`/api/v1/namespaces/${namespace}/pods`, {
    ...metadata(`${account}-a`),
    kind: 'Pod',
    spec: { nodeName: 'node-a', serviceAccountName: account, containers: [{ name: 'c', image: 'i' }] },
  })
}
const agent = await server.serviceAccountToken({ namespace, name: 'drydock-agent', pod: 'drydock-agent-a' })
const unbound = await server.serviceAccountToken({ namespace, name: 'drydock-agent' })
const operator = await server.serviceAccountToken({ namespace, name: 'drydock-operator', pod: 'drydock-operator-a' })

const merge = (path: string, body: unknown, token: string) =>
  server.request(path, { method: 'PATCH', body, token, headers: { 'content-type': 'application/merge-patch+json' } })
const status = (phase: string) => ({ status: { phase } })
const nodeRuntime = (node: string, subresource = '') => `${api}/noderuntimes/${node}${subresource}`

// The policies work a moment after they are there: the API server compiles them in the background.
for (let tries = 0; tries < 100; tries++) {
  // Each try another value: a patch that changes nothing passes no admission.
  const answer = await merge(nodeRuntime('node-b', '/status'), { status: { attempt: tries } }, agent)
  const other = await merge('/api/v1/nodes/node-b', { metadata: { labels: { probe: `${tries}` } } }, operator)
  if (answer.status === 403 && other.status === 403) break
  await new Promise((resolve) => setTimeout(resolve, 200))
}

t.test('the agent of node A', async (t) => {
  t.test('writes the status of the NodeRuntime of node A', async (t) => {
    t.equal((await merge(nodeRuntime('node-a', '/status'), status('Observed'), agent)).status, 200)
  })
  t.test('may not write the status of node B, and is told so', async (t) => {
    const { status: code, body } = await merge(nodeRuntime('node-b', '/status'), status('Observed'), agent)
    t.equal(code, 403)
    t.match(body.message, 'the agent of node node-a may not write the NodeRuntime of node node-b')
  })
  t.test('may not write with a token that names no node', async (t) => {
    const { status: code, body } = await merge(nodeRuntime('node-a', '/status'), status('Observed'), unbound)
    t.equal(code, 403)
    t.match(body.message, 'the token of the agent names no node')
  })
  const refused: [what: string, path: string, method: 'GET' | 'POST' | 'PATCH' | 'DELETE'][] = [
    ['the order in its spec', nodeRuntime('node-a'), 'PATCH'],
    ['its NodeRuntime, by deleting it', nodeRuntime('node-a'), 'DELETE'],
    ['a new NodeRuntime', `${api}/noderuntimes`, 'POST'],
    ['all NodeRuntimes at once', `${api}/noderuntimes`, 'DELETE'],
    ['profiles', `${api}/runtimeprofiles`, 'GET'],
    ['nodes', '/api/v1/nodes', 'GET'],
    ['its own node', '/api/v1/nodes/node-a', 'PATCH'],
    ['pods', '/api/v1/pods', 'GET'],
    ['secrets', `/api/v1/namespaces/${namespace}/secrets`, 'GET'],
  ]
  for (const [what, path, method] of refused) {
    t.test(`has no right to ${what}`, async (t) => {
      const headers = method === 'PATCH' ? { 'content-type': 'application/merge-patch+json' } : {}
      const answer = await server.request(path, {
        method,
        token: agent,
        headers,
        ...(/^P/.test(method) && { body: {} }),
      })
      t.equal(answer.status, 403, answer.body.message)
    })
  }
})

t.test('should RBAC ever allow more, the policy still keeps the agent to its status', async (t) => {
  await created('/apis/rbac.authorization.k8s.io/v1/clusterrolebindings', {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'ClusterRoleBinding',
    metadata: { name: 'too-much' },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'cluster-admin' },
    subjects: [{ kind: 'ServiceAccount', name: 'drydock-agent', namespace }],
  })
  t.teardown(async () => {
    await server.request('/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/too-much', { method: 'DELETE' })
  })
  // The authorizer learns of a binding a moment after it is there.
  await waitFor(
    'the binding',
    async () => {
      const answer = await server.request('/api/v1/nodes', { token: agent })
      return answer.status === 200 ? undefined : answer.body.message
    },
    { timeout: 20_000, every: 50 },
  )
  const attempts: [string, Parameters<typeof server.request>[1]][] = [
    [nodeRuntime('node-a'), { method: 'PATCH', body: { spec: { permit: 'Remove' } } }],
    [nodeRuntime('node-a'), { method: 'DELETE' }],
    [`${api}/noderuntimes`, { method: 'DELETE' }],
  ]
  for (const [path, request] of attempts) {
    const headers = {
      'content-type': request?.method === 'PATCH' ? 'application/merge-patch+json' : 'application/json',
    }
    const { status: code, body } = await server.request(path, { ...request, headers, token: agent })
    t.equal(code, 403)
    t.match(body.message, 'an agent writes the status of its NodeRuntime and nothing else', path)
  }
  t.equal((await server.request(`${api}/noderuntimes`)).body.items.length, 2)
})

t.test('the operator', async (t) => {
  const taints = [
    { key: 'drydock.dev/not-ready', effect: 'NoSchedule' },
    { key: 'example.com/other', value: 'x', effect: 'NoSchedule' },
  ]
  const tainted = await merge('/api/v1/nodes/node-a', { spec: { taints } }, server.token)
  t.equal(tainted.status, 200, tainted.body.message)
  const allowed: [string, object][] = [
    ['cordons', { spec: { unschedulable: true }, metadata: { annotations: { 'drydock.dev/cordoned-by': 'p/1' } } }],
    ['uncordons', { spec: { unschedulable: null }, metadata: { annotations: { 'drydock.dev/cordoned-by': null } } }],
    ['labels a proven handler', { metadata: { labels: { 'handler.drydock.dev/crun': 'true' } } }],
    [
      'corrects kubeadm’s note of the CRI socket',
      {
        metadata: {
          annotations: { 'kubeadm.alpha.kubernetes.io/cri-socket': 'unix:///run/containerd/containerd.sock' },
        },
      },
    ],
    ['takes the startup taint away', { spec: { taints: taints.slice(1) } }],
    ['takes the label off again', { metadata: { labels: { 'handler.drydock.dev/crun': null } } }],
  ]
  for (const [what, patch] of allowed) {
    t.test(what, async (t) => {
      const { status: code, body } = await merge('/api/v1/nodes/node-a', patch, operator)
      t.equal(code, 200, body.message)
    })
  }
  const refused: [string, object, string][] = [
    ['taints of others', { spec: { taints: [] } }, 'takes drydock.dev/not-ready away and touches no other'],
    [
      'taints by adding one',
      { spec: { taints: [...taints, { key: 'a', effect: 'NoSchedule' }] } },
      'takes drydock.dev/not-ready away and touches no other',
    ],
    ['the provider id', { spec: { providerID: 'x' } }, 'changes unschedulable and nothing else'],
    ['a label of others', { metadata: { labels: { pool: 'mine' } } }, 'of the labels of a Node'],
    ['a new label', { metadata: { labels: { 'node-role.kubernetes.io/x': '' } } }, 'of the labels of a Node'],
    ['a label of others, by removing it', { metadata: { labels: { pool: null } } }, 'of the labels of a Node'],
    ['an annotation of others', { metadata: { annotations: { other: null } } }, 'of the annotations of a Node'],
    [
      'another annotation of kubeadm',
      { metadata: { annotations: { 'kubeadm.alpha.kubernetes.io/cri-sockets': '' } } },
      'of the annotations of a Node',
    ],
    ['finalizers', { metadata: { finalizers: ['a.b/c'] } }, 'does not change finalizers or owners'],
  ]
  for (const [what, patch, says] of refused) {
    t.test(`may not change ${what}`, async (t) => {
      const { status: code, body } = await merge('/api/v1/nodes/node-a', patch, operator)
      t.equal(code, 403)
      t.match(body.message, says)
    })
  }
})

t.test('others are not touched by the policies', async (t) => {
  const labels = { metadata: { labels: { pool: 'other' } } }
  t.equal((await merge('/api/v1/nodes/node-b', labels, server.token)).status, 200)
  t.equal((await merge(nodeRuntime('node-b', '/status'), status('Observed'), server.token)).status, 200)
})

t.test('a courier with that token carries an order and its answer', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'drydock-courier-'))
  t.teardown(() => rm(folder, { recursive: true }))
  await writeFile(join(folder, 'token'), agent)
  await writeFile(join(folder, 'ca.crt'), server.ca)
  const socket = join(folder, 'engine.sock')
  const orders: { permit: string; image: string; generation: number }[] = []
  const engine = createServer((request, response) => {
    let text = ''
    request.on('data', (chunk) => {
      text += chunk
    })
    request.on('end', () => {
      if (request.method === 'PUT') orders.push(JSON.parse(text))
      const order = orders.at(-1)
      const answer = { phase: 'Observed', machineID: 'm', observedGeneration: order?.generation ?? 0 }
      response.end(JSON.stringify({ run: 'r', seq: orders.length, status: answer }))
    })
  }).listen(socket)
  await once(engine, 'listening')
  t.teardown(() => engine.close())
  const { hostname: host, port } = new URL(server.url)
  const files = { tokenFile: join(folder, 'token'), caFile: join(folder, 'ca.crt') }
  const transport = inClusterTransport({ host, port: Number(port), ...files })
  const stop = new AbortController()
  const running = new Courier({
    node: 'node-a',
    image: 'agent:1',
    client: new KubeClient(transport),
    engine: engineClient(socket),
    clock: systemClock,
    random: Math.random,
    log: silentLog,
  }).run(stop.signal)
  const answered = async () => (await server.request(nodeRuntime('node-a'))).body.status?.machineID
  for (let tries = 0; tries < 100 && !(await answered()); tries++) await new Promise((next) => setTimeout(next, 50))
  t.equal(await answered(), 'm')
  t.match(orders, [{ permit: 'Observe', image: 'agent:1', generation: 1 }])
  stop.abort()
  await running
  transport.close()
})
