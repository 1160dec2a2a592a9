import t from 'tap'
import type { RuntimeProfile } from '../../crds/types.gen.ts'
import { KubeError } from '../../kube/errors.ts'
import { noMetrics } from '../../kube/metrics.ts'
import type { KubeObject, ResourceType } from '../../kube/resource.ts'
import { type BudgetObject, firstRefusal, type GuardedPod } from '../../operator/controllers/drain/disruption.ts'
import { lookAtEvictions } from '../../operator/controllers/drain/evictions.ts'
import { askGates } from '../../operator/controllers/gates/ask.ts'
import { holds } from '../../operator/controllers/gates/expression.ts'
import { type Gate, GateObjects } from '../../operator/controllers/gates/objects.ts'
import { Lookout } from '../../operator/controllers/runtimeprofile/lookout.ts'
import { selectorText } from '../../operator/rollout/selector.ts'
import { VirtualTime } from '../support/virtual-clock.ts'

t.test('expressions over objects of the API', async (t) => {
  const object = {
    metadata: { name: 'cart', namespace: 'shop', labels: { 'example.com/tier': 'one' } },
    spec: { replicas: 3, share: 0.5 },
    status: { readyReplicas: 3, conditions: [{ type: 'Available', status: 'True' }] },
  }
  const cases: [string, boolean][] = [
    ['object.status.readyReplicas == object.spec.replicas', true],
    ["object.status.conditions.exists(c, c.type == 'Available' && c.status == 'True')", true],
    ['object.spec.share < 1.0 && object.spec.replicas > 2', true],
    ["object.metadata.labels['example.com/tier'] == 'two'", false],
    ["object.metadata.namespace == 'shop'", true],
    ['has(object.status.unavailableReplicas)', false],
    ['object.?status.?unavailableReplicas.orValue(0) == 0', true],
    ['objects.all(o, o.spec.replicas >= 3) && size(objects) == 1', true],
  ]
  for (const [cel, wanted] of cases) t.equal(holds(cel, { object, objects: [object] }), wanted, cel)
  const failing: [string, RegExp][] = [
    ['object.status.missing == 1', /^No such key: missing$/],
    ['object.spec.replicas', /^it gives a number; write one that gives true or false$/],
    ['1 +', /^Unexpected token: EOF$/],
    ['other == 1', /^Unknown variable: other$/],
  ]
  for (const [cel, message] of failing) t.throws(() => holds(cel, { object, objects: [object] }), { message }, cel)
  t.throws(() => holds('object.a == 1', { objects: [] }), { message: 'Unknown variable: object' }, 'no name, no object')
})

const served: Record<string, ResourceType[]> = {
  v1: [{ group: '', version: 'v1', plural: 'configmaps', kind: 'ConfigMap', namespaced: true }],
  'apps/v1': [{ group: 'apps', version: 'v1', plural: 'deployments', kind: 'Deployment', namespaced: true }],
  'example.com/v1': [{ group: 'example.com', version: 'v1', plural: 'oxen', kind: 'Ox', namespaced: false }],
}

class FakeApi {
  readonly calls: string[] = []
  objects: KubeObject[] = [{ metadata: { name: 'a', managedFields: [] } }]
  isForbidden = false

  discover = async (apiVersion: string): Promise<ResourceType[]> => {
    this.calls.push(`discover ${apiVersion}`)
    const found = served[apiVersion]
    if (!found) throw new KubeError('GET', { status: 404 })
    return found
  }

  get = async (type: ResourceType, { name }: { name: string }): Promise<KubeObject | undefined> => {
    this.#call(`get ${type.plural} ${name}`)
    return this.objects.find(({ metadata }) => metadata.name === name)
  }

  list = async (type: ResourceType, options: { labelSelector?: string; project?: (one: KubeObject) => KubeObject }) => {
    this.#call(`list ${type.plural} ${options.labelSelector ?? ''}`)
    return { items: this.objects.map((one) => options.project?.(one) ?? one), resourceVersion: '1' }
  }

  #call(call: string): void {
    this.calls.push(call)
    if (this.isForbidden) throw new KubeError('GET', { status: 403, body: { kind: 'Status', message: 'forbidden' } })
  }

  get asClient() {
    return this as never
  }
}

const profileOf = (...gates: Gate[]): RuntimeProfile => ({
  apiVersion: 'drydock.dev/v1alpha1',
  kind: 'RuntimeProfile',
  metadata: { name: 'p', uid: 'u' },
  spec: { nodeSelector: {}, engine: { name: 'containerd' }, rollout: { gates } },
})

const ox = { apiVersion: 'example.com/v1', kind: 'Ox', name: 'a' }

t.test('a gate says what is missing, and what to write', async (t) => {
  const says = async (object: Gate['object'], over: Partial<Gate> = {}, api = new FakeApi()) =>
    (
      await askGates(
        profileOf({ name: 'g', object, cel: 'size(objects) == 1', ...over }),
        new GateObjects(api.asClient),
      )
    )?.message
  t.equal(await says(ox), undefined)
  t.equal(await says({ ...ox, name: 'b' }), 'Gate g cannot be asked: Ox b is not there')
  t.equal(await says({ ...ox, kind: 'Cow' }), 'Gate g cannot be asked: example.com/v1 has no kind Cow')
  t.equal(await says({ ...ox, apiVersion: 'gone/v1' }), 'Gate g cannot be asked: the API server does not serve gone/v1')
  t.equal(
    await says({ ...ox, namespace: 'x' }),
    'Gate g cannot be asked: Ox is cluster-scoped: remove object.namespace',
  )
  t.match(
    await says({ apiVersion: 'v1', kind: 'ConfigMap', name: 'a' }),
    /ConfigMap is namespaced: write object.namespace$/,
  )
  t.equal(await says(ox, { cel: 'false' }), 'Gate g holds the rollout: false is false')
  t.equal(await says(ox, { cel: 'false', message: 'the ox sleeps' }), 'Gate g holds the rollout: the ox sleeps')
  t.equal(await says(ox, { cel: 'object.legs == 4' }), 'Gate g cannot be asked: No such key: legs')
  const closed = new FakeApi()
  closed.isForbidden = true
  t.equal(
    await says(ox, {}, closed),
    'Gate g cannot be asked: the operator may not read oxen: add {apiGroups: ["example.com"], resources: [oxen], verbs: [get]} to operator.gateRules of the chart\'s values',
  )
  t.match(await says({ apiVersion: 'example.com/v1', kind: 'Ox' }, {}, closed), /verbs: \[list\]\}/)
  const many = new FakeApi()
  many.objects = Array.from({ length: 501 }, (_, index) => ({ metadata: { name: `${index}` } }))
  t.match(
    await says({ apiVersion: 'example.com/v1', kind: 'Ox' }, {}, many),
    /more than 500 objects: write namespace or labelSelector$/,
  )
})

t.test('kinds are looked up once, selectors reach the API server', async (t) => {
  const api = new FakeApi()
  const objects = new GateObjects(api.asClient)
  const labelSelector = {
    matchLabels: { app: 'cart' },
    matchExpressions: [
      { key: 'zone', operator: 'In' as const, values: ['a', 'b'] },
      { key: 'old', operator: 'DoesNotExist' as const },
    ],
  }
  const gate = { name: 'g', object: { apiVersion: 'apps/v1', kind: 'Deployment', labelSelector }, cel: 'true' }
  await objects.read(gate)
  const { objects: found } = await objects.read(gate)
  t.same(found, [{ metadata: { name: 'a' } }], 'without managedFields')
  const list = 'list deployments app=cart,zone in (a,b),!old'
  t.same(api.calls, ['discover apps/v1', list, list])
  t.equal(selectorText({}), '')
})

t.test(
  'the lookout asks rarely: a gate that holds is good for two seconds, one that does not for thirty',
  async (t) => {
    const time = new VirtualTime()
    const api = new FakeApi()
    const lookout = new Lookout({ client: api.asClient, clock: time.host(), metrics: noMetrics })
    const profile = profileOf({ name: 'g', object: ox, cel: 'false' })
    t.equal(lookout.gates(profile), undefined)
    await lookout.ask(profile, [{ ask: 'gates' }])
    t.match(lookout.gates(profile), { why: { reason: 'GateClosed' }, freshMilliseconds: 30_000 })
    await time.advance(29_000)
    t.match(lookout.gates(profile), { freshMilliseconds: 1_000 })
    await time.advance(2_000)
    t.match(
      lookout.gates(profile),
      { why: { reason: 'GateClosed' }, freshMilliseconds: 0 },
      'it says why until it is asked again',
    )
    const other = profileOf({ name: 'g', object: ox, cel: 'true' })
    t.equal(lookout.gates(other), undefined, 'another gate is another question')
    await lookout.ask(other, [{ ask: 'gates' }])
    t.match(lookout.gates(other), { why: undefined, freshMilliseconds: 2_000 })
  },
)

const pod = (name: string, over: Partial<GuardedPod> = {}): GuardedPod => ({
  metadata: {
    name,
    namespace: 'shop',
    labels: { app: 'cart' },
    ownerReferences: [{ apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'r', uid: 'u', controller: true }],
  },
  status: { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] },
  ...over,
})

const budget = (name: string, disruptionsAllowed: number): BudgetObject => ({
  metadata: { name, namespace: 'shop' },
  spec: { selector: { matchLabels: { app: 'cart' } } },
  status: { disruptionsAllowed, currentHealthy: 1, desiredHealthy: 1 },
})

t.test('which budget refuses which pod', async (t) => {
  const says = (pods: GuardedPod[], ...budgets: BudgetObject[]) => firstRefusal('w1', pods, budgets)?.message
  t.equal(
    says([pod('cart-0')], budget('cart', 0)),
    'PDB shop/cart allows 0 disruptions: pod shop/cart-0 on node w1 could not leave, and w1 is not cordoned before',
  )
  t.equal(says([pod('cart-0')], budget('cart', 1)), undefined)
  t.equal(says([pod('cart-0')]), undefined)
  t.equal(says([pod('cart-0')], { ...budget('cart', 0), metadata: { name: 'cart', namespace: 'other' } }), undefined)
  t.equal(says([pod('cart-0', { status: { phase: 'Pending' } })], budget('cart', 0)), undefined)
  t.match(
    says([pod('cart-0')], budget('one', 1), budget('two', 1)),
    /covered by 2 PDBs \(one, two\), which refuses every eviction/,
  )
  t.equal(
    says([pod('cart-0', { status: { phase: 'Pending' } })], budget('one', 0), budget('two', 0)),
    undefined,
    'the API server asks no budget about a pod that is Pending',
  )
})

t.test('the look before the cordon speaks of the pods that the drain itself would not touch', async (t) => {
  const { ownerReferences: _, ...metadata } = pod('bare').metadata
  const client = { list: async () => ({ items: [{ ...pod('bare'), metadata }], resourceVersion: '1' }) } as never
  const look = (deleteUnmanagedPods: boolean) =>
    lookAtEvictions(client, ['w1'], { deleteEmptyDirData: false, deleteUnmanagedPods })
  t.match((await look(false)).get('w1'), {
    reason: 'UnmanagedPod',
    message: /^Pod shop\/bare has no controller .*; w1 is not cordoned before$/,
  })
  t.match([...(await look(true))], [['w1', undefined]])
})

class FakePods {
  readonly lists: string[] = []
  readonly held: Set<string>

  constructor(...held: string[]) {
    this.held = new Set(held)
  }

  list = async (type: ResourceType, { fieldSelector = '' }: { fieldSelector?: string }) => {
    this.lists.push(type.plural)
    const node = fieldSelector.split('=')[1] ?? ''
    if (node === 'broken') throw new Error('timed out')
    const items = type.plural === 'pods' ? [pod(node, node.startsWith('daemon') ? daemon : {})] : this.#budgets()
    return { items, resourceVersion: '1' }
  }

  #budgets(): BudgetObject[] {
    return [budget('cart', this.held.size > 0 ? 0 : 1)]
  }
}

const daemon: Partial<GuardedPod> = {
  metadata: {
    name: 'd',
    namespace: 'shop',
    ownerReferences: [{ apiVersion: 'apps/v1', kind: 'DaemonSet', name: 'd', uid: 'u', controller: true }],
  },
}

t.test('the lookout reads pods of the asked nodes, budgets once, and looks again at a few', async (t) => {
  const time = new VirtualTime()
  const api = new FakePods('all')
  const lookout = new Lookout({ client: api as never, clock: time.host(), metrics: noMetrics })
  const ask = (isRepeated: boolean, ...nodes: string[]) =>
    lookout.ask(
      profileOf(),
      nodes.map((node) => ({ ask: 'evictions', node, isRepeated })),
    )
  t.equal(await ask(false, 'daemons'), true)
  t.same(api.lists, ['pods'], 'no budget when nothing is to be evicted')
  t.match(lookout.evictions('daemons'), { why: undefined, freshMilliseconds: 2_000 })
  api.lists.length = 0
  const nodes = Array.from({ length: 20 }, (_, index) => `w${index}`)
  t.equal(await ask(false, ...nodes, 'broken'), true)
  t.equal(api.lists.filter((plural) => plural === 'poddisruptionbudgets').length, 1)
  t.match(lookout.evictions('w3'), { why: { reason: 'DisruptionBudget' }, freshMilliseconds: 10_000 })
  t.match(lookout.evictions('broken')?.why?.message, /^broken waits: its pods could not be looked at: timed out$/)
  api.lists.length = 0
  await time.advance(10_000)
  t.equal(await ask(true, ...nodes), false, 'nothing is new')
  t.equal(api.lists.length, 5, 'four nodes and the budgets')
  t.equal(await ask(true, ...nodes), false)
  t.equal(api.lists.length, 5, 'and not at once again')
  api.held.clear()
  await time.advance(5_000)
  t.equal(await ask(true, ...nodes), true)
  t.equal(nodes.filter((node) => lookout.evictions(node)?.why === undefined).length, 4)
})

t.test('a yes lasts while the other question is asked, however slow the API server is', async (t) => {
  let nowMs = 0
  const slowly = async <T>(answer: T): Promise<T> => {
    nowMs += 3_000
    return answer
  }
  const gate: Gate = { name: 'calm', object: { apiVersion: 'v1', kind: 'ConfigMap', name: 'calm' }, cel: 'true' }
  const client = {
    discover: async () => [{ group: '', version: 'v1', plural: 'configmaps', kind: 'ConfigMap', namespaced: false }],
    get: () => slowly({ metadata: { name: 'calm' } }),
    list: () => slowly({ items: [], resourceVersion: '1' }),
  }
  const clock = { now: () => new Date(nowMs), monotonicMs: () => nowMs, sleep: async () => {} }
  const lookout = new Lookout({ client: client as never, clock, metrics: noMetrics })
  const profile = profileOf(gate)
  const yes = (freshMilliseconds: number) => ({ why: undefined, freshMilliseconds })
  const looks = () => [lookout.gates(profile), lookout.evictions('a')]
  await lookout.ask(profile, [{ ask: 'gates' }])
  nowMs += 500
  await lookout.ask(profile, [{ ask: 'evictions', node: 'a', isRepeated: false }])
  t.same(looks(), [yes(1_500), yes(2_000)])
  nowMs += 1_500
  await lookout.ask(profile, [{ ask: 'gates' }])
  t.same(looks(), [yes(2_000), yes(500)])
  nowMs += 1_000
  t.same(looks(), [yes(1_000), yes(0)], 'and no longer than that')
  await lookout.ask(profile, [{ ask: 'gates' }])
  t.same(looks(), [yes(2_000), yes(0)], 'what is old stays old')
})
