import fc from 'fast-check'
import t from 'tap'
import type { KubeClient } from '../../kube/client.ts'
import { KubeError } from '../../kube/errors.ts'
import { LeaderElector, type Lease } from '../../kube/lease.ts'
import { silentLog } from '../../kube/log.ts'
import { status } from '../support/api-server.ts'
import { type Host, nextTurn, settle, VirtualTime } from '../support/virtual-clock.ts'

const refuse = (code: number, reason: string): never => {
  throw new KubeError('PATCH /lease', { status: code, body: status(code, reason, reason) })
}

/** One Lease with optimistic concurrency, as the API server keeps it. */
class LeaseStore {
  lease: Lease | undefined
  writes: { holder: string; epoch: number }[] = []
  isDown = false
  #version = 0

  /** The store as a process on this machine sees it: answers wait until the machine runs again. */
  clientOf(host: Host): Pick<KubeClient, 'get' | 'create' | 'patch'> {
    const call = async (act: () => Lease | undefined): Promise<never> => {
      await host.awake()
      if (this.isDown) refuse(503, 'ServiceUnavailable')
      const lease = structuredClone(act())
      await nextTurn()
      await host.awake()
      return lease as never
    }
    return {
      get: () => call(() => this.lease),
      create: (_type, lease) =>
        call(() => (this.lease ? refuse(409, 'AlreadyExists') : this.#store(lease as unknown as Lease))),
      patch: (_type, _ref, patch) => call(() => this.#patch(patch as Lease)),
    }
  }

  #patch(patch: Lease): Lease {
    if (!this.lease) return refuse(404, 'NotFound')
    if (patch.metadata.resourceVersion !== this.lease.metadata.resourceVersion) refuse(409, 'Conflict')
    return this.#store({ ...this.lease, spec: { ...this.lease.spec, ...patch.spec } })
  }

  #store(lease: Lease): Lease {
    this.lease = { ...lease, metadata: { ...lease.metadata, resourceVersion: String(++this.#version) } }
    const { holderIdentity, leaseTransitions } = lease.spec ?? {}
    this.writes.push({ holder: holderIdentity ?? '', epoch: leaseTransitions ?? 0 })
    return this.lease
  }
}

interface Candidate {
  readonly identity: string
  readonly host: Host
  readonly stop: AbortController
  readonly epochs: number[]
  isLeading: boolean
  /** Of its present life. */
  elector?: LeaderElector
  ended: Promise<void>
}

class Election {
  readonly time = new VirtualTime()
  readonly store = new LeaseStore()
  readonly candidates: Candidate[] = []

  add(identity: string, skew: { wallOffsetMs?: number; rate?: number } = {}): Candidate {
    const host = this.time.host(skew)
    const candidate: Candidate = {
      identity,
      host,
      stop: new AbortController(),
      epochs: [],
      isLeading: false,
      ended: Promise.resolve(),
    }
    candidate.ended = this.#run(candidate)
    this.candidates.push(candidate)
    return candidate
  }

  get leaders(): string[] {
    return this.candidates.filter(({ isLeading }) => isLeading).map(({ identity }) => identity)
  }

  /** As an operator does that is restarted whenever it loses the lease. */
  async #run(candidate: Candidate): Promise<void> {
    const { host, stop } = candidate
    for (let life = 0; !stop.signal.aborted; life++) {
      const elector = new LeaderElector({
        client: this.store.clientOf(host),
        namespace: 'n',
        name: 'l',
        identity: `${candidate.identity}-${life}`,
        clock: host,
        log: silentLog,
      })
      candidate.elector = elector
      await elector.run({ signal: stop.signal, onStarted: (epoch, signal) => lead(candidate, epoch, signal) })
      candidate.isLeading = false
    }
  }
}

async function lead(candidate: Candidate, epoch: number, signal: AbortSignal): Promise<void> {
  candidate.epochs.push(epoch)
  candidate.isLeading = true
  await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()))
  candidate.isLeading = false
}

t.test('the second waits until the first does not renew for 15 s, however far their clocks are apart', async (t) => {
  const election = new Election()
  const a = election.add('a', { wallOffsetMs: 3_600_000 })
  await election.time.advance(100)
  const b = election.add('b', { wallOffsetMs: -3_600_000 })
  await election.time.advance(120_000)
  t.same(election.leaders, ['a'])
  a.host.pause()
  await election.time.advance(14_000)
  t.equal(b.isLeading, false)
  await election.time.advance(5_000)
  t.equal(b.isLeading, true, 'taken over within 15 + 2 + 2 s')
  t.equal(b.epochs[0], a.epochs[0]! + 1)
  t.equal(a.isLeading, true, 'nothing of it has run since')
  t.equal(a.elector?.isLeading, false, 'and whoever asks before a write is told')
  t.equal(b.elector?.isLeading, true)
  a.host.resume()
  await settle()
  await settle()
  t.same(election.leaders, ['b'], 'the paused one stops as soon as it runs')
  t.match(election.store.lease?.spec?.renewTime, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/)
  a.stop.abort()
  b.stop.abort()
  await election.time.advance(20_000)
})

t.test('a write of a leader that was overtaken is refused by its resource version', async (t) => {
  const election = new Election()
  const a = election.add('a')
  await election.time.advance(100)
  const stale = structuredClone(election.store.lease!)
  a.host.pause()
  const b = election.add('b')
  await election.time.advance(20_000)
  t.equal(b.isLeading, true)
  const client = election.store.clientOf(election.time.host())
  await t.rejects(client.patch({} as never, { name: 'l' }, stale, { kind: 'merge' }), { message: /Conflict/ })
  a.host.resume()
  a.stop.abort()
  b.stop.abort()
  await election.time.advance(20_000)
})

t.test('on SIGTERM the work ends under the lease, which is then free for the next at once', async (t) => {
  const election = new Election()
  const { host, stop } = { host: election.time.host(), stop: new AbortController() }
  const client = election.store.clientOf(host)
  const elector = new LeaderElector({ client, namespace: 'n', name: 'l', identity: 'x', clock: host, log: silentLog })
  let holderWhileEnding: unknown
  const run = elector.run({
    signal: stop.signal,
    onStarted: async (_epoch, signal) => {
      await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()))
      await host.sleep(30_000)
      holderWhileEnding = election.store.lease?.spec?.holderIdentity
    },
  })
  await election.time.advance(100)
  const next = election.add('next')
  stop.abort()
  await election.time.advance(29_000)
  t.equal(next.isLeading, false, 'work of half a minute is still under the lease')
  await election.time.advance(3_500)
  t.equal(await run, 'released')
  t.equal(holderWhileEnding, 'x')
  t.equal(next.isLeading, true)
  next.stop.abort()
  await election.time.advance(5_000)
  await next.ended
  t.equal(election.time.sleeping, 0)
})

t.test('a leader without its API server stops before another can start', async (t) => {
  const election = new Election()
  const a = election.add('a')
  await election.time.advance(100)
  election.store.isDown = true
  await election.time.advance(8_000)
  t.equal(a.isLeading, true)
  await election.time.advance(4_000)
  t.equal(a.isLeading, false)
  election.store.isDown = false
  await election.time.advance(20_000)
  t.equal(a.isLeading, true, 'its next life leads again')
  t.equal(a.epochs[1], a.epochs[0]! + 1)
  a.stop.abort()
  await election.time.advance(20_000)
})

t.test('a lease that somebody deletes ends the leadership, and the next epoch is higher all the same', async (t) => {
  const election = new Election()
  const a = election.add('a')
  await election.time.advance(60_000)
  election.store.lease = undefined
  await election.time.advance(5_000)
  t.equal(a.epochs.length, 2)
  t.ok(a.epochs[1]! > a.epochs[0]!)
  a.stop.abort()
  await election.time.advance(20_000)
})

t.test('work that fails ends the run with its error, and the lease is free', async (t) => {
  const time = new VirtualTime()
  const store = new LeaseStore()
  const clock = time.host()
  const options = { client: store.clientOf(clock), namespace: 'n', name: 'l', identity: 'x', clock, log: silentLog }
  const run = new LeaderElector(options).run({
    signal: new AbortController().signal,
    onStarted: async () => {
      throw new Error('broken')
    },
  })
  const rejected = t.rejects(run, { message: 'broken' })
  await time.advance(5_000)
  await rejected
  t.equal(store.lease?.spec?.holderIdentity, null)
  t.throws(() => new LeaderElector({ ...options, renewDeadlineSeconds: 15 }), /retrySeconds < renewDeadlineSeconds/)
})

const disturbance = fc.record({
  afterMs: fc.integer({ min: 0, max: 30_000 }),
  who: fc.nat(2),
  what: fc.constantFrom('pause', 'resume', 'down', 'up'),
})

t.test('with any pauses, outages, wall clocks and 10% of speed apart, no two that run lead at once', async (t) => {
  await fc.assert(
    fc.asyncProperty(fc.array(disturbance, { maxLength: 25 }), async (disturbances) => {
      const election = new Election()
      election.add('a', { wallOffsetMs: 3_600_000, rate: 1.1 })
      election.add('b', { wallOffsetMs: -3_600_000 })
      election.add('c', { rate: 0.9 })
      const paused = new Set<string>()
      const check = (): void => {
        const active = election.leaders.filter((identity) => !paused.has(identity))
        if (active.length > 1) throw new Error(`${active} lead at once`)
      }
      for (const { afterMs, who, what } of disturbances) {
        for (let passedMs = 0; passedMs < afterMs; passedMs += 1_000) {
          await election.time.advance(Math.min(1_000, afterMs - passedMs))
          check()
        }
        disturb(election, paused, { who, what })
        await settle()
        await settle()
        check()
      }
      checkEpochs(election)
      election.store.isDown = false
      for (const { host, stop } of election.candidates) {
        host.resume()
        stop.abort()
      }
      await election.time.advance(60_000)
    }),
    { numRuns: 100 },
  )
  t.pass()
})

function disturb(election: Election, paused: Set<string>, { who, what }: { who: number; what: string }): void {
  const { host, identity } = election.candidates[who]!
  if (what === 'pause') {
    paused.add(identity)
    host.pause()
  } else if (what === 'resume') {
    paused.delete(identity)
    host.resume()
  } else election.store.isDown = what === 'down'
}

/** The epochs in the store only grow, and each belongs to one process. */
function checkEpochs({ store }: Election): void {
  const holders = new Map<number, string>()
  let highest = 0
  for (const { holder, epoch } of store.writes) {
    if (epoch < highest) throw new Error(`epoch ${epoch} after ${highest}`)
    highest = epoch
    if (holder === '') continue
    if ((holders.get(epoch) ?? holder) !== holder) throw new Error(`epoch ${epoch} of two leaders`)
    holders.set(epoch, holder)
  }
}
