import { setTimeout as delay } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { KubeClient } from '../../kube/client.ts'
import { systemClock } from '../../kube/clock.ts'
import { ConnectionError, KubeError } from '../../kube/errors.ts'
import { httpTransport } from '../../kube/http-transport.ts'
import type { Metrics } from '../../kube/metrics.ts'
import { afterFailure, Reflector } from '../../kube/reflector.ts'
import { type KubeObject, Nodes } from '../../kube/resource.ts'
import type { Transport } from '../../kube/transport.ts'
import { ApiServer, answer, failNext, status } from '../support/api-server.ts'

const idleTimeoutMs = 250

async function givenReflector(t: Test, objects = 3) {
  const server = new ApiServer()
  for (let i = 0; i < objects; i++) server.put(`node-${i}`)
  const port = await server.listen()
  const plain = httpTransport({
    server: new URL(`http://127.0.0.1:${port}`),
    credentials: async () => ({ tls: {}, headers: {} }),
  })
  const transport: Transport = { ...plain, stream: (request) => plain.stream({ ...request, idleTimeoutMs }) }
  // A hundredth of the backoff keeps the tests quick and the loop as it is.
  const clock = { ...systemClock, sleep: (ms: number, signal?: AbortSignal) => systemClock.sleep(ms / 100, signal) }
  const client = new KubeClient(transport, { clock, random: () => 0.5 })
  const changes: string[] = []
  const counted: Record<string, number> = {}
  const metrics: Metrics = {
    add: ({ name }, _labels, by = 1) => {
      counted[name] = (counted[name] ?? 0) + by
    },
    set: () => {},
    observe: () => {},
  }
  const reflector = new Reflector<KubeObject>({
    client,
    type: Nodes,
    clock,
    random: () => 0.5,
    metrics,
    onChange: (key, object) => {
      changes.push(`${object ? 'has' : 'lost'} ${key}`)
      if (key === 'thrower') throw new Error('a handler that throws')
    },
  })
  const stop = new AbortController()
  const running = reflector.run(stop.signal)
  await reflector.synced
  t.teardown(async () => {
    stop.abort()
    await running
    await until(() => server.openWatches === 0)
    const { length } = server.requests
    await delay(60)
    if (server.openWatches > 0 || server.requests.length > length) throw new Error('a watch was opened after the stop')
    plain.close()
    await server.close()
  })
  await until(() => server.openWatches === 1)
  return { server, reflector, changes, counted, stop }
}

async function until(condition: () => boolean): Promise<void> {
  const endMs = Date.now() + 5_000
  while (!condition()) {
    if (Date.now() > endMs) throw new Error(`waited 5 s for ${condition}`)
    await delay(5)
  }
}

const versions = (objects: readonly KubeObject[]): string[] =>
  objects.map(({ metadata }) => `${metadata.name}@${metadata.resourceVersion}`).sort()

const faults: Record<string, { lists: number; missed: number; inject: (server: ApiServer) => void }> = {
  'a reset connection is resumed': { lists: 1, missed: 0, inject: (server) => server.resetConnections() },
  'a watch that the server ends is resumed': { lists: 1, missed: 0, inject: (server) => server.endWatches() },
  'a watch refused with 503 is resumed': {
    lists: 1,
    missed: 0,
    inject: (server) => {
      server.faults.push(
        failNext('watch', (response) => answer(response, 503, status(503, 'ServiceUnavailable', 'no'))),
      )
      server.endWatches()
    },
  },
  'a watch refused by a proxy with text is resumed': {
    lists: 1,
    missed: 0,
    inject: (server) => {
      server.faults.push(failNext('watch', (response) => response.writeHead(502).end('<html>bad gateway')))
      server.endWatches()
    },
  },
  'a watch refused with 429 waits as long as it is told and is resumed': {
    lists: 1,
    missed: 0,
    inject: (server) => {
      const reply = status(429, 'TooManyRequests', 'later')
      server.faults.push(failNext('watch', (response) => answer(response, 429, reply, { 'retry-after': '1' })))
      server.endWatches()
    },
  },
  'an ERROR event with code 500 is resumed': {
    lists: 1,
    missed: 0,
    inject: (server) => {
      server.write(`${JSON.stringify({ type: 'ERROR', object: status(500, 'InternalError', 'etcd is unwell') })}\n`)
      server.endWatches()
    },
  },
  'an ERROR event with code 410 leads to one list': {
    lists: 2,
    missed: 2,
    inject: (server) => {
      server.write(`${JSON.stringify({ type: 'ERROR', object: status(410, 'Expired', 'too old') })}\n`)
      server.endWatches()
    },
  },
  'a version that was compacted away leads to one list': {
    lists: 2,
    missed: 2,
    inject: (server) => {
      // The change that a compaction hides from the watch for good.
      server.faults.push(
        failNext('watch', (response) => {
          server.compact()
          answer(response, 410, status(410, 'Expired', 'too old resource version'))
        }),
      )
      server.endWatches()
    },
  },
  'a truncated event leads to a list': {
    lists: 2,
    missed: 2,
    inject: (server) => {
      server.write('{"type":"MODIFIED","object":{"metada')
      server.endWatches()
    },
  },
  'a watch that falls silent is given up and resumed': {
    lists: 1,
    missed: 0,
    inject: (server) => {
      server.faults.push(
        failNext('watch', (response) => {
          response.writeHead(200, { 'content-type': 'application/json' })
          response.flushHeaders()
        }),
      )
      server.endWatches()
    },
  },
  'a watch whose header never comes is given up and resumed': {
    lists: 1,
    missed: 0,
    inject: (server) => {
      server.faults.push(failNext('watch', () => {}))
      server.endWatches()
    },
  },
}

for (const [name, { inject, lists, missed }] of Object.entries(faults)) {
  t.test(`${name}, and no change is missed`, async (t) => {
    const { server, reflector, changes, counted } = await givenReflector(t)
    server.put('node-0', { seen: 'before' })
    await until(() => changes.length === 4)
    inject(server)
    // Changes while there is no watch.
    server.put('late')
    server.remove('node-1')
    await until(() => changes.includes('has late') && changes.includes('lost node-1'))
    await until(() => server.openWatches === 1)
    server.put('later')
    await until(() => changes.includes('has later'))
    t.same(versions(reflector.list()), versions(server.objects))
    t.equal(counted['reflector_lists_total'], lists, 'lists')
    t.equal(counted['reflector_missed_by_relist_total'] ?? 0, missed, 'changes that only the list found')
    t.equal(new Set(changes).size, changes.length - 1, 'nothing is delivered twice but node-0, which changed')
  })
}

t.test('it survives a long storm of faults without a missed change', async (t) => {
  const { server, reflector, changes } = await givenReflector(t)
  const kinds = Object.values(faults)
  for (let round = 0; round < 22; round++) {
    const { length } = server.faults
    kinds[round % kinds.length]!.inject(server)
    server.put(`round-${round}`)
    if (round % 3 === 0) server.put('node-0', { round: String(round) })
    if (round % 4 === 0) server.remove(`round-${round}`)
    await until(() => server.faults.length <= length)
    if (round % 5 === 0) await delay(20)
  }
  await until(() => server.openWatches === 1)
  server.put('last')
  await until(() => changes.includes('has last'))
  t.same(versions(reflector.list()), versions(server.objects))
})

t.test('a failing first list is tried again until it succeeds', async (t) => {
  const server = new ApiServer()
  server.put('a')
  for (let i = 0; i < 6; i++) server.faults.push(failNext('list', (response) => response.socket?.destroy()))
  const port = await server.listen()
  const transport = httpTransport({
    server: new URL(`http://127.0.0.1:${port}`),
    credentials: async () => ({ tls: {}, headers: {} }),
  })
  const clock = { ...systemClock, sleep: async () => {} }
  const client = new KubeClient(transport, { clock })
  const reflector = new Reflector<KubeObject>({ client, type: Nodes, clock, onChange: () => {} })
  const stop = new AbortController()
  const running = reflector.run(stop.signal)
  await reflector.synced
  t.equal(reflector.list().length, 1)
  stop.abort()
  await running
  transport.close()
  await server.close()
})

t.test('a bookmark moves the version from which the watch goes on', async (t) => {
  const { server, reflector } = await givenReflector(t)
  server.put('other')
  server.bookmark()
  const before = reflector.lastEventAt
  await until(() => reflector.state.phase === 'watch' && reflector.state.resourceVersion === '104')
  t.ok(reflector.lastEventAt)
  t.ok(before)
  server.compact()
  server.endWatches()
  await until(() => server.openWatches === 1 && server.count(({ url }) => url.searchParams.has('watch')) === 2)
  t.equal(server.requests.at(-1)?.url.searchParams.get('resourceVersion'), '104')
})

t.test('a handler that throws stops nothing', async (t) => {
  const { server, changes } = await givenReflector(t)
  server.put('thrower')
  server.put('after')
  await until(() => changes.includes('has after'))
  t.match(changes.slice(-2), ['has thrower', 'has after'])
})

t.test('large lists are read in pages, projected, and the connections are reused', async (t) => {
  const { server, reflector, changes } = await givenReflector(t, 1_203)
  t.equal(reflector.list().length, 1_203)
  t.equal(changes.length, 1_203)
  t.equal(reflector.get('node-7')?.metadata.managedFields, undefined)
  t.equal(reflector.get('node-7')?.kind, 'Node', 'items of a list have their kind')
  t.equal(
    server.count(({ url }) => !url.searchParams.has('watch')),
    3,
  )
  for (let i = 0; i < 5; i++) {
    server.put(`extra-${i}`)
    await until(() => changes.includes(`has extra-${i}`))
    server.endWatches()
    await until(() => server.count(({ url }) => url.searchParams.has('watch')) === i + 2 && server.openWatches === 1)
  }
  t.equal(server.connections, 2, 'one connection for the lists, one for six watches')
  const watch = server.requests.find(({ url }) => url.searchParams.has('watch'))!
  const seconds = Number(watch.url.searchParams.get('timeoutSeconds'))
  t.ok(seconds >= 290 && seconds <= 590)
  t.equal(watch.url.searchParams.get('allowWatchBookmarks'), 'true')
})

t.test('what a failure leads to', async (t) => {
  const watching = { phase: 'watch', failures: 0, resourceVersion: '7' } as const
  const refusal = (code: number) => new KubeError('WATCH /x', { status: code })
  const cases: [string, unknown, number, 'list' | 'watch'][] = [
    ['a lost connection resumes', new ConnectionError('reset'), 0, 'watch'],
    ['the third lost connection in a row lists', new ConnectionError('reset'), 2, 'list'],
    ['overload resumes however often', refusal(429), 50, 'watch'],
    ['a server error resumes', refusal(500), 0, 'watch'],
    ['the third server error in a row lists', refusal(500), 2, 'list'],
    ['a version that is gone lists', refusal(410), 0, 'list'],
    ['a refused request lists', refusal(403), 0, 'list'],
    ['a line that does not parse lists', new SyntaxError('x'), 0, 'list'],
  ]
  for (const [name, error, failures, phase] of cases) {
    const next = afterFailure({ ...watching, failures }, error)
    t.equal(next.phase, phase, name)
    t.equal(next.failures, failures + 1)
  }
})
