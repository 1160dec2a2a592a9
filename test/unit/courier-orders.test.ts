import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import { permits, phases } from '../../crds/noderuntime/schema.ts'
import type { NodeRuntime, NodeRuntimeSpec, NodeRuntimeStatus } from '../../crds/types.gen.ts'
import { KubeError } from '../../kube/errors.ts'
import { silentLog } from '../../kube/log.ts'
import type { WatchEvent } from '../../kube/watch.ts'
import { Courier } from '../../node-agent/courier/courier.ts'
import { type Engine, type EngineState, engineClient, type Order } from '../../node-agent/courier/engine-client.ts'
import { isWorthWriting, shortMoveMs } from '../../node-agent/courier/material.ts'
import { isSettled } from '../../node-agent/courier/settled.ts'
import { untouchedHost } from '../../node-agent/courier/untouched-host.ts'
import { VirtualTime } from '../support/virtual-clock.ts'

/** A node engine behind a real socket. It says what the test has it say. */
class FakeEngine {
  readonly orders: Order[] = []
  readonly requests: string[] = []
  open = 0
  refuses = false
  #state: EngineState = { run: 'first', seq: 1, status: { phase: 'Observed' } }
  readonly #waiting = new Set<ServerResponse>()
  readonly server = createServer((request, response) => {
    this.requests.push(`${request.method} ${request.url?.split('?')[0]}`)
    let text = ''
    request.on('data', (chunk) => {
      text += chunk
    })
    request.on('end', () => this.#answer(request.method ?? '', new URL(request.url ?? '', 'http://e'), text, response))
  })

  constructor() {
    this.server.on('connection', (socket) => {
      this.open++
      socket.on('close', () => this.open--)
    })
  }

  #answer(method: string, { searchParams }: URL, text: string, response: ServerResponse): void {
    if (method === 'PUT' && this.refuses) {
      response
        .writeHead(409)
        .end(JSON.stringify({ message: 'The order has fence 1, and one with fence 2 came before.' }))
      return
    }
    if (method === 'PUT') this.orders.push(JSON.parse(text))
    const isKnown = searchParams.get('after') === String(this.#state.seq) && searchParams.get('run') === this.#state.run
    if (isKnown) this.#waiting.add(response)
    else response.end(JSON.stringify(this.#state))
  }

  /** The status is now another: everybody who waits is told. */
  says(status: NodeRuntimeStatus, run = this.#state.run): void {
    this.#state = { run, seq: run === this.#state.run ? this.#state.seq + 1 : 1, status }
    for (const response of this.#waiting) response.end(JSON.stringify(this.#state))
    this.#waiting.clear()
  }

  breakConnections(): void {
    this.server.closeAllConnections()
    this.#waiting.clear()
  }
}

/** The API as one object that is watched and whose status is written. */
class FakeApi {
  readonly writes: NodeRuntimeStatus[] = []
  failures = 0
  #object: NodeRuntime | undefined
  #version = 0
  #changed = Promise.withResolvers<void>()

  order(spec: NodeRuntimeSpec): void {
    const generation = (this.#object?.metadata.generation ?? 0) + 1
    this.#put({ ...this.#base(), spec, metadata: { name: 'node-a', uid: 'u', generation } })
  }

  #base(): NodeRuntime {
    return this.#object ?? { apiVersion: 'drydock.dev/v1alpha1', kind: 'NodeRuntime', metadata: { name: 'node-a' } }
  }

  #put(object: NodeRuntime): void {
    this.#object = { ...object, metadata: { ...object.metadata, resourceVersion: String(++this.#version) } }
    this.#changed.resolve()
    this.#changed = Promise.withResolvers()
  }

  async list() {
    return { items: this.#object ? [structuredClone(this.#object)] : [], resourceVersion: String(this.#version) }
  }

  async *watch(_type: unknown, { resourceVersion, signal }: { resourceVersion: string; signal: AbortSignal }) {
    const aborted = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()))
    for (let seen = resourceVersion; !signal.aborted; ) {
      if (String(this.#version) === seen) await Promise.race([this.#changed.promise, aborted])
      if (signal.aborted || !this.#object) return
      seen = String(this.#version)
      yield { type: 'MODIFIED', object: structuredClone(this.#object) } as WatchEvent<NodeRuntime>
    }
  }

  async apply(_type: unknown, object: NodeRuntime): Promise<NodeRuntime> {
    if (this.failures-- > 0) throw new KubeError('PATCH', { status: 503, body: 'away' })
    this.writes.push(object.status!)
    this.#put({ ...this.#base(), status: object.status! })
    return object
  }
}

interface Given {
  engine: FakeEngine
  api: FakeApi
  /** Starts a courier; gives what stops it. */
  start(client?: Engine): () => Promise<void>
  time: VirtualTime
  /** Time goes by slowly: waits for what sockets bring. */
  until(what: string, holds: () => boolean): Promise<void>
}

async function given(t: Test): Promise<Given> {
  const folder = await mkdtemp(join(tmpdir(), 'drydock-courier-'))
  const socket = join(folder, 'engine.sock')
  const engine = new FakeEngine()
  engine.server.listen(socket)
  await once(engine.server, 'listening')
  const api = new FakeApi()
  const time = new VirtualTime()
  const running: (() => Promise<void>)[] = []
  const start = (client = engineClient(socket)) => {
    const stop = new AbortController()
    const options = { node: 'node-a', image: 'agent:1', clock: time.host(), random: () => 0.5, log: silentLog }
    const done = new Courier({ ...options, client: api as never, engine: client }).run(stop.signal)
    const end = async () => {
      stop.abort()
      await done
    }
    running.push(end)
    return end
  }
  const until = async (what: string, holds: () => boolean) => {
    for (let tries = 0; !holds(); tries++) {
      if (tries > 500) throw new Error(`did not come: ${what}`)
      await time.advance(20)
      await new Promise((resolve) => setTimeout(resolve, 2))
    }
  }
  t.teardown(async () => {
    await Promise.all(running.map((end) => end()))
    engine.server.close()
    engine.breakConnections()
    await rm(folder, { recursive: true })
  })
  return { engine, api, start, time, until }
}

const work = { revision: 'r1', attempt: 1 }
const order = (permit: NodeRuntimeSpec['permit']): NodeRuntimeSpec => ({ permit, ...work, fence: 2, nodeUID: 'n' })
const answer = (phase: NodeRuntimeStatus['phase'], generation: number): NodeRuntimeStatus => ({
  phase: phase!,
  ...work,
  observedGeneration: generation,
})
const phasesOf = (api: FakeApi) => api.writes.map(({ phase }) => phase)

t.test('asks the engine first, before there is any order', async (t) => {
  const { engine, start, until } = await given(t)
  start()
  await until('a request', () => engine.requests.length > 0)
  t.equal(engine.requests[0], 'GET /v1/state')
})

t.test('a whole change takes three writes after the first look, however much the engine says', async (t) => {
  const { engine, api, start, time, until } = await given(t)
  api.order({ permit: 'Observe' })
  start()
  await until('Observed', () => api.writes.length === 1)
  const turn = async (permit: NodeRuntimeSpec['permit'], says: NodeRuntimeStatus[]) => {
    const { length } = engine.orders
    api.order(order(permit))
    await until(`order ${permit}`, () => engine.orders.length > length)
    for (const status of says) {
      engine.says(status)
      for (let tick = 0; tick < 4; tick++) {
        await time.advance(50)
        await new Promise((resolve) => setTimeout(resolve, 5))
      }
    }
    await until(`answer to ${permit}`, () => phasesOf(api).at(-1) === says.at(-1)?.phase)
  }
  await turn('Prepare', [answer('Preparing', 2), answer('Prepared', 2)])
  const step = (name: string) => ({ name, startTime: '2026-01-01T00:00:00Z', durationMilliseconds: 1 })
  const switching = ['stop-kubelet', 'stop-engine', 'write-files'].map((name) => ({
    ...answer('Switching', 3),
    steps: [step(name)],
    message: `at ${name}`,
  }))
  await turn('Switch', [...switching, answer('Proven', 3)])
  await turn('Commit', [answer('Committed', 4)])
  t.strictSame(phasesOf(api), ['Observed', 'Prepared', 'Proven', 'Committed'])
  t.match(engine.orders[2], { ...order('Switch'), image: 'agent:1', generation: 3 })
})

t.test('with nothing under way it holds no connection, and looks every ten minutes', async (t) => {
  const { engine, api, start, time, until } = await given(t)
  api.order({ permit: 'Observe' })
  start()
  await until('the answer', () => api.writes.length === 1)
  await until('no connection', () => engine.open === 0)
  const before = engine.requests.length
  await time.advance(530_000)
  t.equal(engine.requests.length, before)
  await time.advance(80_000)
  await until('a look', () => engine.requests.length === before + 1)
  await until('no connection', () => engine.open === 0)
  t.equal(api.writes.length, 1, 'an unchanged node costs no write')
})

t.test('a drifted file is written when the look finds it', async (t) => {
  const { engine, api, start, time, until } = await given(t)
  api.order({ permit: 'Observe' })
  start()
  await until('the answer', () => api.writes.length === 1)
  engine.says({ phase: 'Observed', drifted: true })
  await time.advance(610_000)
  await until('the drift', () => api.writes.at(-1)?.drifted === true)
})

t.test('a new courier writes nothing that the API has already', async (t) => {
  const { engine, api, start, until } = await given(t)
  api.order(order('Prepare'))
  engine.says(answer('Prepared', 1))
  const stop = start()
  await until('the answer', () => api.writes.length === 1)
  await stop()
  start()
  await until('the order again', () => engine.orders.length === 2)
  await until('no connection', () => engine.open === 0)
  t.equal(api.writes.length, 1)
})

t.test('a courier that comes back after a switch publishes what happened meanwhile', async (t) => {
  const { engine, api, start, until } = await given(t)
  api.order(order('Switch'))
  const stop = start()
  await until('the order', () => engine.orders.length === 1)
  engine.says(answer('Switching', 1))
  await until('the news', () => engine.requests.length > 2)
  await stop()
  engine.says(answer('Proven', 1), 'second')
  start()
  await until('Proven', () => phasesOf(api).at(-1) === 'Proven')
})

t.test('an engine that was started anew in the middle is told the order again', async (t) => {
  const { engine, api, start, time, until } = await given(t)
  api.order(order('Prepare'))
  start()
  await until('the order', () => engine.orders.length === 1)
  engine.breakConnections()
  engine.says({ phase: 'Observed' }, 'second')
  await time.advance(2_000)
  await until('the order again', () => engine.orders.length === 2)
})

t.test('an engine that is away is asked again until it answers', async (t) => {
  const { engine, api, start, time, until } = await given(t)
  let failures = 3
  const socket = (engine.server.address() as unknown as string) ?? ''
  const real = engineClient(socket)
  const away = <T>(call: () => Promise<T>) =>
    failures-- > 0 ? Promise.reject(new Error('connect ECONNREFUSED')) : call()
  api.order({ permit: 'Observe' })
  start({ state: (after) => away(() => real.state(after)), put: (sent) => away(() => real.put(sent)) })
  for (let seconds = 0; seconds < 120 && api.writes.length === 0; seconds++) {
    await time.advance(1_000)
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
  await until('the answer', () => api.writes.length === 1)
})

t.test('a write that failed is tried again before anything else is waited for', async (t) => {
  const { engine, api, start, time, until } = await given(t)
  api.failures = 1
  api.order(order('Switch'))
  start()
  await until('the order', () => engine.orders.length === 1)
  engine.says(answer('Proven', 1))
  await until('a failed write', () => api.failures <= 0)
  await time.advance(2_000)
  await until('the write', () => phasesOf(api).includes('Proven'))
})

t.test('a move is written once it lasts', async (t) => {
  const { engine, api, start, time, until } = await given(t)
  api.order(order('Switch'))
  start()
  await until('the order', () => engine.orders.length === 1)
  engine.says(answer('Switching', 1))
  await until('the news', () => engine.requests.at(-1) === 'GET /v1/state' && engine.open === 1)
  t.strictSame(phasesOf(api), ['Observed'])
  await time.advance(shortMoveMs)
  engine.says({ ...answer('Switching', 1), message: 'at start-engine' })
  await until('the write', () => phasesOf(api).at(-1) === 'Switching')
})

t.test('an order that the engine refuses is neither repeated nor waited for', async (t) => {
  const { engine, api, start, time, until } = await given(t)
  engine.refuses = true
  api.order(order('Switch'))
  start()
  await until('the order', () => engine.requests.includes('PUT /v1/order'))
  await until('no connection', () => engine.open === 0)
  await time.advance(500_000)
  t.equal(engine.requests.filter((request) => request.startsWith('PUT')).length, 1)
})

t.test('a new order ends the wait for an older one', async (t) => {
  const { engine, api, start, until } = await given(t)
  api.order(order('Switch'))
  start()
  await until('the order', () => engine.orders.length === 1)
  await until('the wait', () => engine.requests.length >= 3)
  api.order(order('Rollback'))
  await until('the other order', () => engine.orders.at(-1)?.permit === 'Rollback')
})

t.test('on a host that was left untouched it refuses by itself, and says why', async (t) => {
  const { api, start, until } = await given(t)
  const host = { supported: false, reason: 'ReadOnlyHost', message: 'Talos ...', os: { supported: false } } as const
  api.order({ permit: 'Observe' })
  start(untouchedHost(host, '1.0.0', () => new Date('2026-01-01T00:00:00.5Z')))
  await until('Observed', () => phasesOf(api).at(-1) === 'Observed')
  api.order(order('Prepare'))
  await until('Refused', () => phasesOf(api).at(-1) === 'Refused')
  t.match(api.writes.at(-1), {
    ...work,
    reason: 'ReadOnlyHost',
    observed: { os: { supported: false } },
    conditions: [{ type: 'Supported', status: 'False', lastTransitionTime: '2026-01-01T00:00:00Z' }],
  })
  api.order({ permit: 'Remove' })
  await until('Removed', () => phasesOf(api).at(-1) === 'Removed')
})

t.test('which answers settle an order', async (t) => {
  const settling = permits.map((permit) => [
    permit,
    phases.filter((phase) => isSettled(order(permit), { phase, ...work })),
  ])
  t.strictSame(Object.fromEntries(settling), {
    Observe: ['Observed', 'Failed'],
    Prepare: ['Prepared', 'Refused', 'Proven', 'Committed', 'RolledBack', 'Failed'],
    Switch: ['Refused', 'Proven', 'Committed', 'RolledBack', 'Failed'],
    Commit: ['Refused', 'Committed', 'RolledBack', 'Failed'],
    Rollback: ['Refused', 'Committed', 'RolledBack', 'Failed'],
    // Refused is what a former order was: the engine takes Drydock off all the same, and says Removed.
    Remove: ['Failed', 'Removed'],
  })
  for (const permit of permits.filter((name) => name !== 'Observe' && name !== 'Remove')) {
    for (const phase of phases) {
      if (isSettled(order(permit), { phase, ...work, attempt: 2 }))
        t.fail(`${phase} of another attempt settles ${permit}`)
    }
  }
})

t.test('the order of fields is no news, and whatever was written is not written again', async (t) => {
  const status = fc.record<NodeRuntimeStatus>(
    { phase: fc.constantFrom(...phases), attempt: fc.nat(), message: fc.string(), drifted: fc.boolean() },
    { requiredKeys: ['phase'] },
  )
  fc.assert(
    fc.property(status, (value) => {
      const reversed = Object.fromEntries(Object.entries(value).reverse()) as NodeRuntimeStatus
      return !isWorthWriting(reversed, value, shortMoveMs)
    }),
  )
  t.ok(isWorthWriting({ phase: 'Proven' }, { phase: 'Switching' }, 0))
  t.notOk(isWorthWriting({}, undefined, 0))
  const committed = { phase: 'Committed', observedGeneration: 4 } as const
  t.notOk(isWorthWriting({ ...committed, observedGeneration: 3 }, committed, 0), 'the same, and read sooner')
  t.ok(isWorthWriting({ ...committed, observedGeneration: 5 }, committed, 0))
  t.ok(isWorthWriting({ phase: 'RolledBack', observedGeneration: 3 }, committed, 0))
  t.notOk(isWorthWriting({ phase: 'Switching' }, { phase: 'Prepared' }, shortMoveMs - 1))
  t.ok(isWorthWriting({ phase: 'Switching' }, { phase: 'Prepared' }, shortMoveMs))
})
