import t from 'tap'
import { KubeError } from '../../kube/errors.ts'
import { type EvictionOutcome, evictionOutcome } from '../../kube/eviction.ts'
import { silentLog } from '../../kube/log.ts'
import type { WatchEvent } from '../../kube/watch.ts'
import { drain } from '../../operator/controllers/drain/drain.ts'
import { nameOf, type PodObject, planDrain, projectPod } from '../../operator/controllers/drain/plan.ts'
import type { DrainProgress } from '../../operator/rollout/types.ts'
import { VirtualTime } from '../support/virtual-clock.ts'

const owned = (kind: string) => [{ apiVersion: 'apps/v1', kind, name: 'o', uid: 'u', controller: true }]
const pod = (name: string, over: Partial<PodObject['metadata']> = {}, rest: Partial<PodObject> = {}): PodObject => ({
  metadata: { namespace: 'shop', name, uid: name, ownerReferences: owned('ReplicaSet'), ...over },
  status: { phase: 'Running' },
  ...rest,
})
const emptyDir = { spec: { volumes: [{ name: 'config' }, { name: 'data', emptyDir: {} }] } }
const strict = { deleteEmptyDirData: false, deleteUnmanagedPods: false }

t.test('what becomes of each kind of pod', async (t) => {
  const mirror = { annotations: { 'kubernetes.io/config.mirror': 'x' }, ownerReferences: owned('Node') }
  const cases: [string, PodObject, 'stay' | 'leaving' | 'evict' | string][] = [
    ['of a ReplicaSet', pod('a'), 'evict'],
    ['of a StatefulSet', pod('a', { ownerReferences: owned('StatefulSet') }), 'evict'],
    ['of a DaemonSet', pod('a', { ownerReferences: owned('DaemonSet') }), 'stay'],
    ['of a DaemonSet with local data', pod('a', { ownerReferences: owned('DaemonSet') }, emptyDir), 'stay'],
    ['a mirror pod', pod('a', mirror), 'stay'],
    ['finished', pod('a', { ownerReferences: [] }, { status: { phase: 'Succeeded' } }), 'stay'],
    ['failed', pod('a', {}, { status: { phase: 'Failed' } }), 'stay'],
    ['on its way out', pod('a', { deletionTimestamp: 'now', ownerReferences: [] }), 'leaving'],
    ['without a controller', pod('a', { ownerReferences: [] }), 'UnmanagedPod'],
    [
      'owned, but by no controller',
      pod('a', { ownerReferences: [{ ...owned('Job')[0]!, controller: false }] }),
      'UnmanagedPod',
    ],
    ['with local data', pod('a', {}, emptyDir), 'EmptyDirData'],
    ['pending', pod('a', {}, { status: { phase: 'Pending' } }), 'evict'],
  ]
  for (const [name, given, wanted] of cases) {
    const { evict, leaving, blocking } = planDrain([projectPod(given)], strict)
    const fate = evict[0] ? 'evict' : leaving[0] ? 'leaving' : (blocking[0]?.reason ?? 'stay')
    t.equal(fate, wanted, name)
  }
})

t.test('leave given in the profile lets such pods go', async (t) => {
  const pods = [pod('bare', { ownerReferences: [] }), pod('data', {}, emptyDir)]
  t.same(planDrain(pods, { deleteEmptyDirData: true, deleteUnmanagedPods: true }).evict.map(nameOf), [
    'shop/bare',
    'shop/data',
  ])
  t.same(
    planDrain(pods, { ...strict, deleteUnmanagedPods: true }).blocking.map(({ reason }) => reason),
    ['EmptyDirData'],
  )
})

t.test('each reason names the pod and what to do', async (t) => {
  const { blocking } = planDrain([pod('data', {}, emptyDir), pod('bare', { ownerReferences: [] })], strict)
  t.match(
    blocking[0]?.message,
    /Pod shop\/bare has no controller .*delete it, or set rollout\.drain\.deleteUnmanagedPods/,
  )
  t.match(blocking[1]?.message, /Pod shop\/data has data in the emptyDir volume data .*deleteEmptyDirData/)
})

t.test('a pod that was placed on the cordoned node on purpose stays for the switch to end', async (t) => {
  const since = '2026-01-01T00:00:00.000Z'
  const evicts = (creationTimestamp: string, ...tolerations: object[]): boolean => {
    const given = pod('a', { creationTimestamp }, { spec: { tolerations } })
    return planDrain([projectPod(given)], { ...strict, since }).evict.length > 0
  }
  const [before, after] = ['2025-12-31T23:59:59Z', '2026-01-01T00:00:01Z']
  const taint = 'node.kubernetes.io/unschedulable'
  t.ok(evicts(before, { operator: 'Exists' }), 'it was there before')
  t.notOk(evicts(after, { operator: 'Exists' }))
  t.notOk(evicts(after, { key: taint, operator: 'Exists', effect: 'NoSchedule' }))
  t.notOk(evicts(after, { key: taint, effect: 'NoSchedule' }))
  t.ok(evicts(after, { operator: 'Exists', effect: 'NoExecute' }), 'that tolerates something else')
  t.ok(evicts(after, { key: taint, value: 'x' }))
  t.ok(evicts(after, { key: 'other', operator: 'Exists' }))
  t.ok(evicts(after), 'the scheduler had not seen the cordon yet')
})

/** The pods of one node behind the API, and how evictions of them are answered. */
class FakeNode {
  readonly evictions: string[] = []
  readonly #pods = new Map<string, PodObject>()
  readonly #answer: (name: string) => EvictionOutcome
  #watchers: ((event: WatchEvent<PodObject>) => void)[] = []
  #version = 1

  constructor(answer: (name: string) => EvictionOutcome, ...names: string[]) {
    this.#answer = answer
    for (const name of names) this.#pods.set(name, pod(name, { resourceVersion: '1' }))
  }

  /** Something about the pod changes, and who watches learns it. */
  touch(name: string): void {
    const former = this.#pods.get(name)!
    const metadata = { ...former.metadata, resourceVersion: String(++this.#version) }
    const object = { ...former, metadata }
    this.#pods.set(name, object)
    for (const tell of this.#watchers) tell({ type: 'MODIFIED', object })
  }

  list = async () => ({ items: [...this.#pods.values()], resourceVersion: String(this.#version) })

  evict = async ({ name }: { name: string }): Promise<EvictionOutcome> => {
    this.evictions.push(name)
    return this.#answer(name)
  }

  async *watch(_type: unknown, { signal }: { signal: AbortSignal }): AsyncGenerator<WatchEvent<PodObject>> {
    const events: WatchEvent<PodObject>[] = []
    let wake = Promise.withResolvers<void>()
    this.#watchers = [
      (event) => {
        events.push(event)
        wake.resolve()
      },
    ]
    signal.addEventListener('abort', () => wake.resolve())
    while (!signal.aborted) {
      yield* events.splice(0)
      await wake.promise
      wake = Promise.withResolvers<void>()
    }
  }
}

/** A drain under way; `end` stops it and gives its last word. */
const draining = (node: FakeNode, time: VirtualTime) => {
  const stop = new AbortController()
  let last: DrainProgress | undefined
  const running = drain(
    { node: 'w1', since: '2026-01-01T00:00:00.000Z', ...strict },
    {
      client: node as never,
      clock: time.host(),
      log: silentLog,
      signal: stop.signal,
      onProgress: (progress) => {
        last = progress
      },
    },
  )
  return async (): Promise<DrainProgress | undefined> => {
    stop.abort()
    await running
    return last
  }
}

const refused = (status: number, message: string, retryAfter?: string): EvictionOutcome =>
  evictionOutcome(new KubeError('evict', { status, retryAfter, body: { kind: 'Status', message } }))!

t.test('what happens to other pods is no reason to ask again for one that was refused', async (t) => {
  const time = new VirtualTime()
  const node = new FakeNode((name) => (name === 'held' ? refused(429, 'no') : { evicted: true }), 'held', 'goes')
  const end = draining(node, time)
  await time.advance(0)
  for (let event = 0; event < 20; event++) {
    node.touch('goes')
    await time.advance(10)
  }
  t.same(node.evictions.toSorted(), ['goes', 'held'], 'once each')
  await time.advance(2_000)
  t.same(node.evictions.slice(2), ['held'], 'two seconds later')
  await end()
})

t.test('a server that says when to come back is left alone until then', async (t) => {
  const time = new VirtualTime()
  const node = new FakeNode(() => refused(429, 'too many requests', '30'), 'a')
  const end = draining(node, time)
  await time.advance(29_000)
  t.equal(node.evictions.length, 1)
  await time.advance(3_000)
  t.equal(node.evictions.length, 2)
  t.match(await end(), {
    why: { reason: 'TooManyRequests', message: 'Pod shop/a cannot be evicted: too many requests' },
  })
})

t.test('an eviction that a webhook denies is named, and the other pods go', async (t) => {
  const time = new VirtualTime()
  const node = new FakeNode((name) => (name === 'vm' ? refused(403, 'vm is precious') : { evicted: true }), 'a', 'vm')
  const end = draining(node, time)
  await time.advance(10_000)
  t.equal(node.evictions.filter((name) => name === 'a').length, 1)
  t.match(await end(), {
    state: 'draining',
    podsEvicted: 1,
    why: { reason: 'Denied', message: 'Pod shop/vm cannot be evicted: vm is precious' },
  })
})
