import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import t, { type Test } from 'tap'
import { KubeClient } from '../../kube/client.ts'
import type { Clock } from '../../kube/clock.ts'
import { systemClock } from '../../kube/clock.ts'
import { ConnectionError, isConflict, isForbidden, isGone, isInvalid, KubeError } from '../../kube/errors.ts'
import { evictionOutcome } from '../../kube/eviction.ts'
import { guardedTransport } from '../../kube/guarded-transport.ts'
import { httpTransport } from '../../kube/http-transport.ts'
import { inClusterTransport } from '../../kube/in-cluster.ts'
import { kubeconfigTransport } from '../../kube/kubeconfig.ts'
import { splitLines } from '../../kube/lines.ts'
import type { Metrics } from '../../kube/metrics.ts'
import { Leases, Nodes, Pods, resourcePath } from '../../kube/resource.ts'
import type { Transport } from '../../kube/transport.ts'
import { watchTimeoutSeconds } from '../../kube/watch.ts'
import { ApiServer, answer, failNext, status } from '../support/api-server.ts'

async function givenClient(t: Test, requestTimeoutMs = 5_000) {
  const server = new ApiServer()
  const port = await server.listen()
  const transport = httpTransport({
    server: new URL(`http://127.0.0.1:${port}`),
    credentials: async () => ({ tls: {}, headers: {} }),
  })
  const pauses: number[] = []
  const clock: Clock = { ...systemClock, sleep: async (ms) => void pauses.push(ms) }
  const counted: string[] = []
  const metrics: Metrics = {
    add: (_metric, labels = {}) => void counted.push(`${labels['verb']} ${labels['resource']} ${labels['code']}`),
    set: () => {},
    observe: () => {},
  }
  const client = new KubeClient(transport, { clock, random: () => 0.5, metrics, requestTimeoutMs, userAgent: 'test/1' })
  t.teardown(async () => {
    transport.close()
    await server.close()
  })
  return { server, client, pauses, counted }
}

const unavailable = failNext('any', (response) => answer(response, 503, status(503, 'ServiceUnavailable', 'wait')))
const ok = failNext('any', (response) => answer(response, 200, { kind: 'Node', metadata: { name: 'a' } }))
const cut = failNext('any', (response) => {
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': '1000' })
  response.write('{"kind":')
  setImmediate(() => response.destroy())
})
const node = { metadata: { name: 'a' } }

t.test('idempotent calls are tried again, with full jitter', async (t) => {
  const { server, client, pauses, counted } = await givenClient(t)
  server.faults.push(unavailable, cut, unavailable, ok)
  t.match(await client.get(Nodes, { name: 'a' }), { metadata: { name: 'a' } })
  t.same(pauses, [100, 200, 400])
  t.same(counted, ['get nodes 503', 'get nodes error', 'get nodes 503', 'get nodes 200'])
  t.equal(server.requests[0]?.headers['user-agent'], 'test/1')
})

t.test('four tries are enough', async (t) => {
  const { server, client } = await givenClient(t)
  server.faults.push(unavailable, unavailable, unavailable, unavailable, ok)
  await t.rejects(client.get(Nodes, { name: 'a' }), { name: 'KubeError', message: 'GET /api/v1/nodes/a: wait' })
  t.equal(server.requests.length, 4)
})

t.test('an overloaded server is left alone for as long as it asks', async (t) => {
  const { server, client, pauses } = await givenClient(t)
  const busy = (seconds: string) =>
    failNext('any', (response) =>
      answer(response, 429, status(429, 'TooManyRequests', 'busy'), { 'retry-after': seconds }),
    )
  server.faults.push(busy('7'), ok)
  await client.apply(Nodes, node, { fieldManager: 'test' })
  t.same(pauses, [7_100])
  server.faults.push(busy('120'))
  await t.rejects(client.apply(Nodes, node, { fieldManager: 'test' }), { message: 'PATCH /api/v1/nodes/a: busy' })
  t.equal(server.requests.length, 3, 'two minutes are not waited for')
})

t.test('calls that are not idempotent are sent once', async (t) => {
  const { server, client } = await givenClient(t)
  const calls: [string, () => Promise<unknown>][] = [
    ['create', () => client.create(Nodes, node)],
    ['json patch', () => client.patch(Nodes, { name: 'a' }, [], { kind: 'json' })],
  ]
  for (const [name, call] of calls) {
    for (const fault of [unavailable, cut]) {
      const before = server.requests.length
      server.faults.push(fault)
      await t.rejects(call())
      t.equal(server.requests.length - before, 1, name)
    }
  }
})

t.test('refusals are not tried again and answer questions', async (t) => {
  const { server, client } = await givenClient(t)
  const refusals: [number, string, (error: unknown) => boolean][] = [
    [403, 'Forbidden', isForbidden],
    [409, 'Conflict', isConflict],
    [410, 'Expired', isGone],
    [422, 'Invalid', isInvalid],
  ]
  for (const [code, reason, question] of refusals) {
    server.faults.push(failNext('any', (response) => answer(response, code, status(code, reason, 'a sentence'))))
    const error = await client.get(Nodes, { name: 'a' }).catch((error: unknown) => error)
    t.ok(question(error), reason)
    t.equal((error as Error).message, 'GET /api/v1/nodes/a: a sentence')
  }
  t.equal(server.requests.length, refusals.length)
})

t.test('whoever does not lead any more reads, and writes nothing, not even what it had tried before', async (t) => {
  const asked: number[] = []
  let mayWrite = true
  const transport = guardedTransport(
    {
      request: async ({ method }) => {
        asked.push(asked.length)
        if (method === 'GET') return { status: 200, headers: {}, body: node }
        mayWrite = false
        throw new ConnectionError('cut')
      },
      stream: () => {
        throw new Error('not used')
      },
      close: () => undefined,
    },
    () => mayWrite,
  )
  const client = new KubeClient(transport, { clock: { ...systemClock, sleep: async () => undefined } })
  const patch = () => client.patch(Nodes, { name: 'a' }, {}, { kind: 'merge' })
  await t.rejects(patch(), { message: /^PATCH \/api\/v1\/nodes\/a was not sent: this process may not write any more$/ })
  t.equal(asked.length, 1, 'the first try was sent, the second was not')
  await t.rejects(client.create(Nodes, node), { message: /was not sent/ })
  t.match(await client.get(Nodes, { name: 'a' }), node)
  t.equal(asked.length, 2)
})

t.test('absence is an answer, not an error', async (t) => {
  const { server, client } = await givenClient(t)
  const missing = failNext('any', (response) => answer(response, 404, status(404, 'NotFound', 'nodes "a" not found')))
  server.faults.push(missing)
  t.equal(await client.get(Nodes, { name: 'a' }), undefined)
  server.faults.push(missing)
  t.equal(await client.delete(Nodes, { name: 'a' }), false)
})

t.test('a server that does not answer in time is an error that says so', async (t) => {
  const { server, client } = await givenClient(t, 50)
  server.faults.push(failNext('any', () => {}))
  await t.rejects(client.create(Nodes, node), {
    name: 'ConnectionError',
    message: /^POST \/api\/v1\/nodes: 127.0.0.1:\d+ gave no complete answer within 50 ms$/,
  })
})

t.test('an abort ends a call with its own reason and is not tried again', async (t) => {
  const { server, client } = await givenClient(t)
  server.faults.push(failNext('any', () => {}))
  const stop = new AbortController()
  setTimeout(() => stop.abort(new Error('stopping')), 20)
  await t.rejects(client.get(Nodes, { name: 'a' }, { signal: stop.signal }), { message: 'stopping' })
  await t.rejects(client.get(Nodes, { name: 'a' }, { signal: stop.signal }), { message: 'stopping' })
  t.equal(server.requests.length, 1)
})

t.test('what goes over the wire', async (t) => {
  const { server, client } = await givenClient(t)
  const sent = async (call: () => Promise<unknown>): Promise<unknown> => {
    server.faults.push(ok)
    await call()
    const { method, url, headers, body } = server.requests.at(-1)!
    return [method, `${url.pathname}${url.search}`, headers['content-type'], body]
  }
  t.same(await sent(() => client.apply(Nodes, node, { fieldManager: 'me', force: true, subresource: 'status' })), [
    'PATCH',
    '/api/v1/nodes/a/status?fieldManager=me&force=true',
    'application/apply-patch+yaml',
    { apiVersion: 'v1', kind: 'Node', ...node },
  ])
  t.same(await sent(() => client.patch(Leases, { namespace: 'n', name: 'l' }, { spec: {} }, { kind: 'merge' })), [
    'PATCH',
    '/apis/coordination.k8s.io/v1/namespaces/n/leases/l',
    'application/merge-patch+json',
    { spec: {} },
  ])
  t.same(
    await sent(() => client.delete(Pods, { namespace: 'n', name: 'p' }, { uid: 'u', propagation: 'Foreground' })),
    [
      'DELETE',
      '/api/v1/namespaces/n/pods/p',
      'application/json',
      { apiVersion: 'v1', kind: 'DeleteOptions', propagationPolicy: 'Foreground', preconditions: { uid: 'u' } },
    ],
  )
  t.same(await sent(() => client.evict({ namespace: 'n', name: 'p', uid: 'u', gracePeriodSeconds: 0 })), [
    'POST',
    '/api/v1/namespaces/n/pods/p/eviction',
    'application/json',
    {
      apiVersion: 'policy/v1',
      kind: 'Eviction',
      metadata: { namespace: 'n', name: 'p' },
      deleteOptions: { preconditions: { uid: 'u' }, gracePeriodSeconds: 0 },
    },
  ])
  t.throws(() => resourcePath(Pods, { name: 'p' }), /Pod p is namespaced/)
  t.throws(() => resourcePath(Nodes, { namespace: 'n', name: 'a' }), /Node is cluster-scoped/)
  t.equal(resourcePath(Nodes, { name: '../b?c' }), '/api/v1/nodes/..%2Fb%3Fc')
})

t.test('a list whose continue token expires starts again', async (t) => {
  const { server, client } = await givenClient(t)
  for (let i = 0; i < 700; i++) server.put(`n${i}`)
  server.faults.push((request, response) => {
    if (!request.url?.includes('continue')) return false
    answer(response, 410, status(410, 'Expired', 'the provided continue parameter is too old'))
    return true
  })
  const { items, resourceVersion } = await client.list(Nodes)
  t.equal(items.length, 700)
  t.equal(resourceVersion, '800')
  t.equal(server.requests.length, 4)
})

t.test('a thousand calls at once share sixteen connections', async (t) => {
  const { server, client } = await givenClient(t)
  for (let i = 0; i < 1_000; i++) server.faults.push(ok)
  await Promise.all(Array.from({ length: 1_000 }, (_, i) => client.get(Nodes, { name: `n${i}` })))
  t.equal(server.connections, 16)
})

t.test('an eviction', async (t) => {
  const budget = {
    causes: [
      { reason: 'DisruptionBudget', message: 'The disruption budget cart needs 2 healthy pods and has 2 currently' },
    ],
  }
  const refusal = (code: number, message: string, details: object = {}) =>
    new KubeError('POST /x', { status: code, body: status(code, 'R', message, details) })
  const cases: [string, unknown, object | undefined][] = [
    ['of a pod that is gone has succeeded', refusal(404, 'pods "a" not found'), { evicted: true }],
    ['that meets a change of the pod may be tried again', refusal(409, 'x'), { evicted: false, retryable: true }],
    [
      'that a budget refuses names the budget',
      refusal(429, "Cannot evict pod as it would violate the pod's disruption budget.", budget),
      { evicted: false, retryable: true, reason: 'DisruptionBudget', message: budget.causes[0]!.message },
    ],
    [
      'that an overloaded server refuses says when to come back',
      refusal(429, 'too many requests', { retryAfterSeconds: 3 }),
      { evicted: false, retryable: true, reason: 'TooManyRequests', retryAfterSeconds: 3 },
    ],
    [
      'of a pod with two budgets never succeeds',
      refusal(500, 'This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.'),
      { evicted: false, retryable: false, reason: 'MultipleDisruptionBudgets' },
    ],
    ['may be tried again after a server error', refusal(502, 'x'), { evicted: false, retryable: true }],
    ['may be tried again after a lost connection', new ConnectionError('x'), { evicted: false, retryable: true }],
    [
      'that a webhook denies says which words it denies it with',
      refusal(403, 'admission webhook "vm" denied the request'),
      { evicted: false, retryable: false, reason: 'Denied', message: 'admission webhook "vm" denied the request' },
    ],
    ['that a webhook calls invalid is denied', refusal(422, 'x'), { evicted: false, reason: 'Denied' }],
    ['without credentials is an error', refusal(401, 'x'), undefined],
  ]
  for (const [name, error, outcome] of cases) {
    if (outcome) t.match(evictionOutcome(error), outcome, name)
    else t.equal(evictionOutcome(error), undefined, name)
  }
})

t.test('the eviction of a pod whose name another one has by now has succeeded', async (t) => {
  const { server, client } = await givenClient(t)
  const conflict = failNext('any', (response) =>
    answer(response, 409, status(409, 'Conflict', 'the UID does not match')),
  )
  const pod = (uid: string) => failNext('any', (response) => answer(response, 200, { metadata: { name: 'p', uid } }))
  const request = { namespace: 'n', name: 'p', uid: 'old' }
  server.faults.push(conflict, pod('new'))
  t.same(await client.evict(request), { evicted: true })
  server.faults.push(conflict, pod('old'))
  t.match(await client.evict(request), { evicted: false, retryable: true, reason: 'Conflict' })
})

t.test('lines arrive whole, however the bytes are cut', async (t) => {
  const text = '{"a":"ø€😀"}\n\n{"b":1}\nlast'
  const bytes = Buffer.from(text)
  for (let size = 1; size <= bytes.length; size++) {
    const chunks = async function* () {
      for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
    }
    const lines = []
    for await (const line of splitLines(chunks(), () => {})) lines.push(line)
    t.same(lines, ['{"a":"ø€😀"}', '{"b":1}', 'last'])
  }
})

t.test('watches end at different times', async (t) => {
  t.equal(
    watchTimeoutSeconds(() => 0),
    290,
  )
  t.equal(
    watchTimeoutSeconds(() => 0.999999),
    590,
  )
})

function givenCertificate(dir: string, name: string): { key: string; cert: string; certFile: string } {
  const keyFile = join(dir, `${name}.key`)
  const certFile = join(dir, `${name}.crt`)
  const subject = ['-subj', `/CN=${name}`, '-addext', 'subjectAltName=IP:127.0.0.1,DNS:localhost']
  const kind = ['-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2']
  execFileSync('openssl', ['req', ...kind, ...subject, '-keyout', keyFile, '-out', certFile], { stdio: 'ignore' })
  return { key: readFileSync(keyFile, 'utf8'), cert: readFileSync(certFile, 'utf8'), certFile }
}

t.test('a pod trusts its CA and follows the rotation of token and CA', async (t) => {
  const dir = t.testdir({ token: 'first\n', ca: '' })
  const first = givenCertificate(dir, 'first')
  writeFileSync(join(dir, 'ca'), first.cert)
  const server = new ApiServer(first)
  const port = await server.listen()
  let nowMs = 0
  const clock: Clock = { now: () => new Date(), monotonicMs: () => nowMs, sleep: async () => {} }
  const options = { host: '127.0.0.1', port, tokenFile: join(dir, 'token'), caFile: join(dir, 'ca'), clock }
  const transport = inClusterTransport(options)
  const client = new KubeClient(transport, { clock, retry: { attempts: 1, baseMs: 1, capMs: 1 } })
  const token = async (): Promise<string | undefined> => {
    await client.list(Nodes)
    return server.requests.at(-1)?.headers.authorization
  }
  t.equal(await token(), 'Bearer first')
  writeFileSync(join(dir, 'token'), 'second')
  nowMs = 59_999
  t.equal(await token(), 'Bearer first', 'not read within a minute')
  nowMs = 60_000
  t.equal(await token(), 'Bearer second')
  t.equal(server.connections, 1, 'a new token needs no new connection')
  writeFileSync(join(dir, 'ca'), givenCertificate(dir, 'other').cert)
  nowMs = 120_000
  await t.rejects(token(), { name: 'ConnectionError', message: /self-signed certificate/ }, 'the new CA is in force')
  transport.close()
  await server.close()

  const absent = inClusterTransport({ ...options, tokenFile: join(dir, 'nothing') })
  await t.rejects(new KubeClient(absent).list(Nodes), { message: /cannot read the service account: .*nothing/ })
})

t.test('a program that gives no credentials is named, with what it said', async (t) => {
  const dir = t.testdir({})
  const refused = async (command: string, ...args: string[]): Promise<unknown> => {
    const path = join(dir, 'config')
    const config = {
      'current-context': 'test',
      contexts: [{ name: 'test', context: { cluster: 'c', user: 'me' } }],
      clusters: [{ name: 'c', cluster: { server: 'https://127.0.0.1:1' } }],
      users: [{ name: 'me', user: { exec: { apiVersion: 'client.authentication.k8s.io/v1', command, args } } }],
    }
    writeFileSync(path, JSON.stringify(config))
    const client = new KubeClient(kubeconfigTransport(path))
    return client.list(Nodes).then(String, (error: Error) => error.message)
  }
  const says = 'gave no credentials for user me of the kubeconfig:'
  t.equal(await refused('/nowhere/sso'), `/nowhere/sso ${says} it is not there`)
  t.equal(await refused('sh', '-c', 'exit 1'), `sh ${says} it ended without a word`)
  t.equal(await refused('sh', '-c', 'echo log in first >&2; exit 1'), `sh ${says} log in first`)
})

t.test('a page in place of an answer is an error, though it comes with 200', async (t) => {
  const transport = {
    request: async () => ({ status: 200, headers: {}, body: '<html>log in</html>' }),
    stream: () => {
      throw new Error('not asked')
    },
    close: () => {},
  } satisfies Transport
  await t.rejects(new KubeClient(transport).list(Nodes), {
    message: /\/nodes: what answered is no API server, but a proxy or a page: <html>log in<\/html>$/,
  })
})

t.test('a kubeconfig gives a transport with its CA and credentials', async (t) => {
  const dir = t.testdir({})
  const tls = givenCertificate(dir, 'server')
  const server = new ApiServer(tls)
  const port = await server.listen()
  const path = join(dir, 'config')
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'test',
    contexts: [{ name: 'test', context: { cluster: 'c', user: 'u' } }],
    clusters: [{ name: 'c', cluster: { server: `https://127.0.0.1:${port}`, 'certificate-authority': tls.certFile } }],
    users: [{ name: 'u', user: { token: 'secret' } }],
  }
  writeFileSync(path, JSON.stringify(config))
  const transport = kubeconfigTransport(path)
  const client = new KubeClient(transport)
  for (let i = 0; i < 5; i++) await client.list(Nodes)
  t.equal(server.requests[4]?.headers.authorization, 'Bearer secret')
  t.equal(server.connections, 1)
  transport.close()
  await server.close()

  const other = join(dir, 'other')
  const named = (name: string) => [{ ...config.clusters[0], name }]
  writeFileSync(other, JSON.stringify({ 'current-context': 'other', clusters: named('other') }))
  const former = process.env['KUBECONFIG']
  t.teardown(() => {
    if (former === undefined) delete process.env['KUBECONFIG']
    else process.env['KUBECONFIG'] = former
  })
  process.env['KUBECONFIG'] = [join(dir, 'missing'), path, other].join(delimiter)
  t.doesNotThrow(() => kubeconfigTransport().close(), 'a file that is missing is passed over, the first context counts')
  process.env['KUBECONFIG'] = join(dir, 'missing')
  t.throws(() => kubeconfigTransport(), { code: 'ENOENT', path: join(dir, 'missing') })

  writeFileSync(path, JSON.stringify({ ...config, 'current-context': 'gone' }))
  t.throws(() => kubeconfigTransport(path), /no cluster for its current context "gone": set current-context/)
})
