import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { systemClock } from '../../kube/clock.ts'
import { silentLog } from '../../kube/log.ts'
import { NodeEngine, type Parts } from '../../node-agent/engine/engine.ts'
import { Ledger } from '../../node-agent/engine/ledger.ts'
import { parseOptions } from '../../node-agent/engine/options.ts'
import type { Plan } from '../../node-agent/engine/prepare.ts'
import { serve } from '../../node-agent/engine/server.ts'
import { unitsOf } from '../../node-agent/engine/units.ts'
import { bootClock } from '../../node-agent/host/boot-clock.ts'
import { NoSpaceError } from '../../node-agent/host/errors.ts'
import { nodeDisk } from '../../node-agent/host/node-disk.ts'
import { systemHost } from '../../node-agent/host/system-host.ts'
import { Store } from '../../node-agent/journal/store.ts'

const refused = async (): Promise<never> => {
  throw new Error('not in this test')
}

interface Reply {
  readonly code: number
  readonly body: { run: string; seq: number; status: Record<string, unknown>; message: string }
}

const refusing: Plan = async () => ({
  observed: {},
  plan: { reason: 'EngineUnknown', message: 'There is no engine.' },
})

/** A change that nothing has to be proven for. */
const vacant: Plan = async () => {
  const side = { name: 'none', units: [], endpoint: '' } as const
  const wanted = { handlers: [], cgroupDriver: 'systemd', cgroupVersion: 'v2' } as const
  const change = { action: 'DrainSwitch', from: side, to: side, units: [], image: 'agent', wanted } as const
  return { observed: {}, plan: { edits: [], changes: [], notes: [], change, reclaimableBytes: 5 } }
}

async function engine(t: Test, before?: (store: Store) => Promise<void>, own: Partial<Parts> = {}) {
  // Not a fixture of tap: that is gone before the engine has ended.
  const folder = await mkdtemp(join(tmpdir(), 'drydock-engine-'))
  const store = new Store(nodeDisk, join(folder, 'state'))
  const clock = bootClock()
  await store.makeFolder()
  await before?.(store)
  const stop = new AbortController()
  const parts = {
    store,
    clock,
    host: systemHost(),
    log: silentLog,
    runtime: { ready: refused, pods: refused, removePods: refused, pullMissing: refused, prove: refused },
    provisions: {
      install: refused,
      restore: refused,
      removePods: refused,
      exportImages: refused,
      importImages: refused,
    },
    kubeletHealthy: async () => true,
    plan: refusing,
    look: async () => ({ kubeletVersion: '1.36.3' }),
    residue: async () => [],
    tidy: async () => {},
    remove: async () => {},
    machineID: 'm',
    version: '1.2.3',
    ...own,
  }
  const node = new NodeEngine(parts, await Ledger.open(store, clock, 'm'), stop.signal)
  const served = serve({ engine: node, clock: systemClock, run: 'this-run' })
  // A fixture's path is longer than a socket's may be.
  const sockets = await mkdtemp(join(tmpdir(), 'drydock-engine-'))
  const socketPath = join(sockets, 'sock')
  await new Promise<void>((resolve) => served.server.listen(socketPath, resolve))
  const running = node.run()
  t.teardown(async () => {
    stop.abort()
    await running
    served.server.close()
    served.server.closeAllConnections()
    await rm(sockets, { recursive: true })
    await rm(folder, { recursive: true, maxRetries: 3 })
  })
  const ask = async (method: string, path: string, body?: object | string): Promise<Reply> => {
    const sent = request({ socketPath, method, path, agent: false })
    sent.end(typeof body === 'object' ? JSON.stringify(body) : body)
    const [response] = await once(sent, 'response')
    let text = ''
    for await (const chunk of response) text += chunk
    return { code: response.statusCode, body: JSON.parse(text) }
  }
  const phase = async (wanted: string, generation?: number): Promise<Reply> => {
    for (let reply = await ask('GET', '/v1/state'); ; ) {
      const { phase, observedGeneration } = reply.body.status
      if (phase === wanted && (generation === undefined || generation === observedGeneration)) return reply
      reply = await ask('GET', `/v1/state?after=${reply.body.seq}&run=this-run&waitSeconds=5`)
    }
  }
  return { ask, phase, node, running, stop, store, served }
}

const order = {
  permit: 'Prepare',
  revision: 'r1',
  attempt: 1,
  fence: 5,
  nodeUID: 'u',
  image: 'agent',
  generation: 7,
  target: { engine: { name: 'containerd' } },
}

t.test('an order and its answer', async (t) => {
  const { ask, phase, node } = await engine(t)
  t.match(await ask('GET', '/v1/state'), {
    code: 200,
    body: { run: 'this-run', status: { agentVersion: '1.2.3', machineID: 'm', changed: false, drifted: false } },
  })
  t.equal((await ask('PUT', '/v1/order', { permit: 'Observe' })).code, 202)
  t.match((await phase('Observed')).body.status, { observed: { kubeletVersion: '1.36.3' } })
  t.equal((await ask('PUT', '/v1/order', order)).code, 202)
  const { body } = await phase('Refused')
  t.match(body.status, { revision: 'r1', attempt: 1, observedGeneration: 7, reason: 'EngineUnknown' })
  await ask('PUT', '/v1/order', { ...order, permit: 'Switch', generation: 8 })
  t.match((await phase('Refused', 8)).body.status, { revision: 'r1', reason: 'EngineUnknown' }, 'the answer stands')
  while (!node.idle) await systemClock.sleep(5)
})

t.test(
  'the time that a preparation took is that of the first one, and what is left behind is told with it',
  async (t) => {
    const delays = [300]
    const plan: Plan = async (...asked) => {
      await systemClock.sleep(delays.shift() ?? 0)
      return vacant(...asked)
    }
    const { ask, phase } = await engine(t, undefined, { plan })
    await ask('PUT', '/v1/order', order)
    const { prepareMilliseconds, reclaimableBytes } = (await phase('Prepared')).body.status
    t.ok(Number(prepareMilliseconds) >= 300, `${prepareMilliseconds} ms`)
    t.equal(reclaimableBytes, 5)
    await ask('PUT', '/v1/order', { ...order, permit: 'Switch' })
    t.match((await phase('Proven')).body.status, { prepareMilliseconds, reclaimableBytes })
    await ask('PUT', '/v1/order', { ...order, permit: 'Rollback' })
    const { status } = (await phase('RolledBack')).body
    t.match(status, { prepareMilliseconds, reclaimableBytes: undefined })
  },
)

t.test('an engine that is stopped before the end of a change is written takes nothing away', async (t) => {
  const committed = async (isStopped: boolean) => {
    const closed: unknown[] = []
    const tidy: Parts['tidy'] = async (memory) => void closed.push(memory.closed)
    let looks = 0
    // It looks when it is proven, and before it commits.
    const look = async () => {
      if (++looks === 2 && isStopped) stop.abort()
      return {}
    }
    const { ask, phase, running, stop, store } = await engine(t, undefined, { plan: vacant, tidy, look })
    await ask('PUT', '/v1/order', { ...order, permit: 'Switch' })
    await phase('Proven')
    await ask('PUT', '/v1/order', { ...order, permit: 'Commit' })
    if (isStopped) await running
    else await phase('Committed')
    while (!isStopped && closed.length === 0) await systemClock.sleep(5)
    return { closed, open: (await store.records()).length > 0, saved: (await store.load())?.closed }
  }
  const { closed, saved } = await committed(false)
  t.same(closed, [saved], 'what only the former state needed goes once the new one is for good')
  t.strictSame(await committed(true), { closed: [], open: true, saved: undefined })
})

t.test('what was brought for an order that is withdrawn before its answer goes', async (t) => {
  const began = Promise.withResolvers<void>()
  const withdrawn = Promise.withResolvers<void>()
  let isStaged = false
  const plan: Plan = async (...asked) => {
    began.resolve()
    await withdrawn.promise
    isStaged = true
    return refusing(...asked)
  }
  const tidy = async () => {
    isStaged = false
  }
  const { ask, phase } = await engine(t, undefined, { plan, tidy })
  await ask('PUT', '/v1/order', order)
  await began.promise
  await ask('PUT', '/v1/order', { permit: 'Observe' })
  withdrawn.resolve()
  await phase('Observed')
  t.notOk(isStaged)
})

t.test('what is wrong with an order is said', async (t) => {
  const { ask } = await engine(t)
  const wrong: readonly [object | string, RegExp][] = [
    ['{', /not JSON/],
    ['[]', /must be a JSON object/],
    [{ permit: 'Destroy' }, /permit must be one of Observe, Prepare/],
    [{ ...order, revision: undefined }, /revision is missing/],
    [{ ...order, attempt: -1 }, /attempt must be a whole number/],
    [{ ...order, fence: '5' }, /fence must be a whole number/],
    [{ ...order, timeoutSeconds: 0.5 }, /timeoutSeconds must be/],
    [{ ...order, image: '' }, /image is missing/],
    [{ ...order, target: undefined }, /only revision "original" goes without/],
    [{ ...order, target: { engine: {} } }, /target.engine.name is missing/],
    [{ ...order, target: { engine: { name: 'containerd' }, handlers: [{}] } }, /needs a name/],
    ['x'.repeat(1024 * 1024 + 1), /larger than/],
  ]
  for (const [body, message] of wrong) t.match(await ask('PUT', '/v1/order', body), { code: 400, body: { message } })
  t.match(await ask('GET', '/v2'), { code: 404, body: { message: /There is no GET \/v2/ } })
})

t.test('an older fence is refused, also by the next engine', async (t) => {
  const { ask, node, phase, store } = await engine(t)
  await ask('PUT', '/v1/order', order)
  await phase('Refused')
  while (!node.idle) await systemClock.sleep(5)
  t.match(await ask('PUT', '/v1/order', { ...order, fence: 4, attempt: 2 }), {
    code: 409,
    body: { message: /fence 4.*fence 5/ },
  })
  t.equal((await ask('GET', '/v1/state')).body.status['attempt'], 1)
  for (let memory = await store.load(); memory?.fence !== 5; memory = await store.load()) await systemClock.sleep(5)
})

t.test('a newer fence outlives a crash while a change is open; a full disk keeps no order back', async (t) => {
  const { ask, phase, store } = await engine(t, undefined, { plan: vacant })
  await ask('PUT', '/v1/order', { ...order, permit: 'Switch' })
  await phase('Proven')
  await ask('PUT', '/v1/order', { ...order, permit: 'Switch', fence: 7 })
  for (let memory = await store.load(); memory?.fence !== 7; memory = await store.load()) await systemClock.sleep(5)
  t.not((await store.records()).length, 0, 'the change is open')
  const { saveWithoutReserve } = store
  store.saveWithoutReserve = () => Promise.reject(new NoSpaceError('full'))
  await ask('PUT', '/v1/order', { ...order, permit: 'Rollback', fence: 8 })
  await phase('RollingBack')
  Object.assign(store, { saveWithoutReserve })
  await phase('RolledBack')
})

t.test('a long poll ends with news, or when its time is up', async (t) => {
  const { ask } = await engine(t)
  const { seq } = (await ask('GET', '/v1/state')).body
  const begin = performance.now()
  t.equal((await ask('GET', `/v1/state?after=${seq}&run=this-run&waitSeconds=0.2`)).body.seq, seq)
  t.ok(performance.now() - begin >= 190)
  t.equal((await ask('GET', `/v1/state?after=${seq}&run=another&waitSeconds=30`)).body.seq, seq, 'another run is news')
  const news = ask('GET', `/v1/state?after=${seq}&run=this-run&waitSeconds=30`)
  await ask('PUT', '/v1/order', { permit: 'Observe' })
  t.ok((await news).body.seq > seq)
})

t.test('drift is seen', async (t) => {
  const path = join(t.testdir({ managed: 'by hand' }), 'managed')
  const { ask } = await engine(t, async (store) => {
    const written = await store.blobs.put(Buffer.from('by Drydock'))
    await store.save({ machineID: 'm', fence: 1, files: { [path]: { original: null, written } } })
  })
  t.equal((await ask('GET', '/v1/state')).body.status['drifted'], true)
})

t.test('Removed is told before the engine ends', async (t) => {
  const { ask, phase, node, served } = await engine(t)
  await ask('PUT', '/v1/order', { permit: 'Remove' })
  await phase('Removed')
  t.ok(node.removed)
  t.ok(served.removalTold())
})

t.test('options', async (t) => {
  t.match(parseOptions(['--socket', '/s'], {}, 1), {
    command: 'serve',
    listen: { path: '/s' },
    stateDir: '/var/lib/drydock',
  })
  t.match(parseOptions([], { LISTEN_FDS: '1', LISTEN_PID: '1' }, 1), { listen: { fd: 3 } })
  t.throws(() => parseOptions([], { LISTEN_FDS: '1', LISTEN_PID: '2' }, 1), /systemd passed no socket/)
  t.match(parseOptions(['boot'], {}, 1), { command: 'boot' })
  t.throws(() => parseOptions(['start'], {}, 1), /not a command/)
  t.equal(parseOptions(['--help'], {}, 1), undefined)
})

t.test('units', async (t) => {
  const units = unitsOf('/opt/drydock/1.2.3', 'arm64')
  t.strictSame(
    units.filter(({ enabled }) => enabled).map(({ name }) => name),
    ['drydock-engine.socket'],
  )
  const text = (name: string): string => units.find((unit) => unit.name === name)!.text
  const command =
    '/opt/drydock/1.2.3/lib/ld-linux-aarch64.so.1 --library-path /opt/drydock/1.2.3/lib /opt/drydock/1.2.3/node'
  t.match(text('drydock-engine.service'), new RegExp(`ExecStart=${command} .*/opt/drydock/1.2.3/engine.cjs\n`))
  t.match(
    text('drydock-boot.service'),
    /ConditionPathExists=\/var\/lib\/drydock\/journal\nBefore=containerd.service .*kubelet.service/,
  )
  t.throws(() => unitsOf('/opt/drydock/1.2.3', 'riscv64'), /no engine for machines of type riscv64/)
})
