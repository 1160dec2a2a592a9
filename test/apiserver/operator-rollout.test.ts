import { readFileSync } from 'node:fs'
import t from 'tap'
import { systemClock } from '../../kube/clock.ts'
import { DaemonSets, Events, type KubeObject, Nodes, Pods, RuntimeClasses } from '../../kube/resource.ts'
import { daemonSetOf } from '../../operator/controllers/agent/daemonset.ts'
import { fieldManager, MigrationReports, NodeRuntimes, RuntimeProfiles } from '../../operator/resources.ts'
import { uninstall } from '../../operator/uninstall.ts'
import { installCrds } from './crds.ts'
import { cordonedByUs, Rig, ScriptedAgents, type Write } from './operator-rig.ts'
import { startApiServer } from './server.ts'

const server = await startApiServer()
await installCrds(server)
const rig = new Rig(server)
t.teardown(async () => {
  rig.close()
  await server.stop()
})

const namespace = 'shop'
await rig.client.create<KubeObject>(
  { group: '', version: 'v1', plural: 'namespaces', kind: 'Namespace', namespaced: false },
  { metadata: { name: namespace } },
)
await rig.client
  .create<KubeObject>(
    { group: '', version: 'v1', plural: 'serviceaccounts', kind: 'ServiceAccount', namespaced: true },
    { metadata: { name: 'default', namespace } },
  )
  .catch(() => {})

/** Leaves the cluster without nodes, profiles and reports for the next test. */
const sweep = async (): Promise<void> => {
  for (const { metadata } of (await rig.client.list(RuntimeProfiles)).items) {
    await rig.client.patch(
      RuntimeProfiles,
      { name: metadata.name ?? '' },
      { metadata: { finalizers: null } },
      { kind: 'merge' },
    )
    await rig.client.delete(RuntimeProfiles, { name: metadata.name ?? '' })
  }
  for (const type of [MigrationReports, NodeRuntimes, Nodes]) {
    for (const { metadata } of (await rig.client.list(type)).items)
      await rig.client.delete(type, { name: metadata.name ?? '' })
  }
  for (const { metadata } of (await rig.client.list(Pods, { namespace })).items) {
    await rig.client.delete(Pods, { namespace, name: metadata.name ?? '' })
  }
}

/** Watches the one thing that must never happen. */
const watchBudget = (limit: number) => {
  let worst = 0
  const stop = new AbortController()
  const running = (async () => {
    while (!stop.signal.aborted) {
      worst = Math.max(worst, cordonedByUs(await rig.nodes()).length)
      await systemClock.sleep(20, stop.signal)
    }
  })()
  return async (test: { ok(value: unknown, message: string): void }): Promise<void> => {
    stop.abort()
    await running
    test.ok(worst <= limit, `at most ${limit} node was out of service at once (seen ${worst})`)
    test.ok(worst > 0, 'and some node was')
  }
}

const summarise = (writes: readonly Write[]): Record<string, number> => {
  const counts: Record<string, number> = {}
  for (const { method, path } of writes) {
    const kind =
      /\/(events|nodes|noderuntimes|migrationreports|runtimeprofiles|runtimeclasses|eviction|pods)(\/|$)/.exec(
        path.replace(/.*\/eviction$/, '/eviction'),
      )?.[1] ?? path
    counts[`${method} ${kind}`] = (counts[`${method} ${kind}`] ?? 0) + 1
  }
  return counts
}

t.test('five nodes, one at a time, with evictions; then nothing more is written', async (t) => {
  for (let index = 1; index <= 5; index++) {
    await rig.addNode(`worker-${index}`)
    await rig.addPod(namespace, `cart-${index}`, `worker-${index}`, { labels: { app: 'cart' } })
    await rig.addPod(namespace, `agent-${index}`, `worker-${index}`, { owner: 'DaemonSet' })
  }
  await rig.addBudget(namespace, 'cart', { app: 'cart' }, 5)
  const agents = new ScriptedAgents(rig)
  const operator = rig.startOperator()
  await rig.until('NodeRuntimes', async () => ((await rig.runtimes()).length === 5 ? undefined : 'not all'))
  const before = operator.wire.writes.length
  const checkBudget = watchBudget(1)
  const began = Date.now()
  await rig.apply('workers', {
    handlers: [
      { name: 'runc', default: true },
      { name: 'crun', runtimeClass: {} },
    ],
  })
  await rig.untilReady('workers')
  const seconds = (Date.now() - began) / 1000
  await checkBudget(t)
  await systemClock.sleep(2_500)
  const writes = operator.wire.writes.slice(before).filter(({ path }) => !path.endsWith('/eviction'))
  t.comment(
    `${seconds.toFixed(1)} s, ${writes.length} writes of the operator, ${agents.writes.length} of the agents: ${JSON.stringify(summarise(operator.wire.writes.slice(before)))}`,
  )
  t.ok(writes.length / 5 <= 12, `${writes.length / 5} writes a node`)
  t.ok(seconds < 5 * 3, `${(seconds / 5).toFixed(2)} s a node, of which the agent takes 1.05 s`)
  t.same(agents.errors, [])

  const nodes = await rig.nodes()
  for (const node of nodes) {
    t.notOk(node.spec?.unschedulable)
    t.equal(node.metadata.labels?.['handler.drydock.dev/crun'], 'true')
  }
  const pods = (await rig.client.list(Pods, { namespace })).items.map(({ metadata }) => metadata.name)
  t.same(pods, ['agent-1', 'agent-2', 'agent-3', 'agent-4', 'agent-5'], 'only the pods of the DaemonSet stay')
  const [report] = await rig.reports()
  t.match(report, { spec: { profile: 'workers' }, status: { phase: 'Succeeded', changed: 5, failed: 0 } })
  t.match(
    report?.status?.nodes?.find(({ name }) => name === 'worker-1'),
    {
      name: 'worker-1',
      result: 'Changed',
      podsEvicted: 1,
      before: { engine: 'containerd', cgroupDriver: 'cgroupfs' },
      changes: [{ path: '/etc/containerd/config.toml' }],
    },
  )
  const profile = await rig.profile('workers')
  t.match(profile?.status, { nodes: { selected: 5, ready: 5, updating: 0, failed: 0 }, report: report?.metadata.name })
  const runtimeClass = await rig.client.get<KubeObject & { scheduling?: object }>(RuntimeClasses, { name: 'crun' })
  t.match(runtimeClass?.scheduling, { nodeSelector: { 'handler.drydock.dev/crun': 'true' } })
  const events = (await rig.client.list<KubeObject & { reason?: string }>(Events, { namespace: 'default' })).items
  t.equal(events.filter(({ reason }) => reason === 'RuntimeChanged').length, 5)

  const settled = operator.wire.writes.length
  await rig.setNodeStatus('worker-1')
  await systemClock.sleep(2_500)
  t.equal(operator.wire.writes.length, settled, 'a converged fleet is written nothing, whatever its heartbeats')
  await operator.stop()
  const again = rig.startOperator()
  await systemClock.sleep(1_500)
  t.same(again.wire.writes, [], 'nor by the next leader')
  await again.stop()
  await agents.stop()
})

t.test('deleting the profile restores the nodes and lets it go', async (t) => {
  const agents = new ScriptedAgents(rig)
  const operator = rig.startOperator()
  const checkBudget = watchBudget(1)
  await rig.client.delete(RuntimeProfiles, { name: 'workers' })
  await rig.until('the end of the profile', async () => (await rig.profile('workers'))?.status?.message)
  await checkBudget(t)
  for (const { spec, metadata } of await rig.runtimes()) {
    t.match(spec, { permit: 'Observe', revision: undefined, profile: undefined }, metadata.name)
    t.notOk(metadata.annotations?.['drydock.dev/committed-revision'])
  }
  for (const { metadata, spec } of await rig.nodes()) {
    t.notOk(spec?.unschedulable)
    t.notOk(metadata.labels?.['handler.drydock.dev/crun'])
  }
  await rig.until('RuntimeClass', async () =>
    (await rig.client.get(RuntimeClasses, { name: 'crun' })) ? 'still there' : undefined,
  )
  t.match((await rig.reports()).find(({ spec }) => spec.revision === 'original')?.status, {
    phase: 'Succeeded',
    changed: 5,
  })
  await operator.stop()
  await agents.stop()
  await sweep()
})

t.test(
  'a PDB that allows nothing: the sentence names it before anything is cordoned, and the node goes on when it opens',
  async (t) => {
    await rig.addNode('worker-1')
    await rig.addPod(namespace, 'cart-1', 'worker-1', { labels: { app: 'cart' } })
    await rig.allow(namespace, 'cart', 0)
    const agents = new ScriptedAgents(rig)
    const operator = rig.startOperator()
    await rig.apply('p', { handlers: [{ name: 'runc' }] })
    await rig.until('the sentence', async () => {
      const message = (await rig.profile('p'))?.status?.message
      return message?.startsWith('PDB shop/cart allows 0 disruptions') ? undefined : (message ?? 'no message')
    })
    t.match((await rig.profile('p'))?.status?.message, /pod shop\/cart-1 on node worker-1 could not leave/)
    t.same(cordonedByUs(await rig.nodes()), [])
    const writes = operator.wire.writes.filter(({ path }) => !path.endsWith('/eviction')).length
    await systemClock.sleep(3_000)
    t.equal(
      operator.wire.writes.filter(({ path }) => !path.endsWith('/eviction')).length,
      writes,
      'waiting writes nothing',
    )
    await rig.allow(namespace, 'cart', 1)
    await rig.untilReady('p')
    await operator.stop()
    await agents.stop()
    await sweep()
  },
)

/** A pod that ends only when somebody says so: a drain waits for it. */
const slow = { finalizers: ['example.com/slow'] }
const endSlow = (name: string) =>
  rig.client.patch(Pods, { namespace, name }, { metadata: { finalizers: null } }, { kind: 'merge' })

t.test('pods that would lose something hold their node before the cordon', async (t) => {
  await rig.addNode('worker-1')
  await rig.addPod(namespace, 'data', 'worker-1', { emptyDir: true })
  await rig.addPod(namespace, 'free', 'worker-1')
  const agents = new ScriptedAgents(rig)
  const operator = rig.startOperator()
  await rig.apply('p', { handlers: [{ name: 'runc' }] })
  await rig.untilSays('p', /Pod shop\/data has data in the emptyDir volume data .*worker-1 is not cordoned before/)
  t.same(cordonedByUs(await rig.nodes()), [])
  t.equal((await rig.client.list(Pods, { namespace })).items.length, 2, 'no pod was evicted')
  await rig.client.delete(Pods, { namespace, name: 'data' })
  await rig.untilReady('p')
  await operator.stop()
  await agents.stop()
  await sweep()
})

t.test('such a pod that comes during the drain ends it, and the node is given back', async (t) => {
  await rig.addNode('worker-1')
  await rig.addPod(namespace, 'slow', 'worker-1', slow)
  const agents = new ScriptedAgents(rig)
  const operator = rig.startOperator()
  await rig.apply('p', { handlers: [{ name: 'runc' }], rollout: { drain: { timeout: '5s' } } })
  await rig.untilSays('p', /Pods shop\/slow are ending/)
  await rig.addPod(namespace, 'data', 'worker-1', { emptyDir: true })
  await rig.addPod(namespace, 'free', 'worker-1')
  await rig.until('the failure', async () => {
    const { conditions, message } = (await rig.profile('p'))?.status ?? {}
    return conditions?.find(({ type }) => type === 'Stalled')?.status === 'True' ? undefined : (message ?? 'no message')
  })
  t.match((await rig.profile('p'))?.status?.message, /Pod shop\/data has data in the emptyDir volume data/)
  t.notOk((await rig.nodes())[0]?.spec?.unschedulable)
  t.equal((await rig.client.list(Pods, { namespace })).items.length, 3, 'no pod of the two was evicted')
  await endSlow('slow')
  t.match((await rig.reports())[0]?.status, {
    phase: 'Failed',
    failed: 1,
    nodes: [{ result: 'Skipped', reason: 'DrainTimeout' }],
  })
  await operator.stop()
  await agents.stop()
  await sweep()
})

t.test(
  'a canary soaks: nothing is written meanwhile, another operator waits on, and the rest follows by itself',
  async (t) => {
    for (const name of ['worker-1', 'worker-2']) await rig.addNode(name)
    const agents = new ScriptedAgents(rig)
    const first = rig.startOperator()
    await rig.apply('p', { handlers: [{ name: 'runc' }], rollout: { canary: { soak: '12s' } } })
    const soaks = (): Promise<void> =>
      rig.until('the soak', async () => {
        const { message } = (await rig.profile('p'))?.status ?? {}
        return message?.startsWith('Canary worker-1 soaking until ') ? undefined : (message ?? 'no message')
      })
    await soaks()
    const message = (await rig.profile('p'))?.status?.message
    await first.stop()
    const second = rig.startOperator()
    await systemClock.sleep(3_000)
    t.equal((await rig.profile('p'))?.status?.message, message)
    t.same(second.wire.writes, [])
    await rig.untilReady('p')
    const [report] = await rig.reports()
    const [one, two] = ['worker-1', 'worker-2'].map((name) => report?.status?.nodes?.find((node) => node.name === name))
    const end = Date.parse(
      / until (.*) UTC$/
        .exec(message ?? '')?.[1]
        ?.replace(' ', 'T')
        .concat('Z') ?? '',
    )
    t.ok(Date.parse(two?.startTime ?? '') >= end, `${message}; worker-2 began at ${two?.startTime}`)
    t.equal(one?.result, 'Changed')
    await second.stop()
    await agents.stop()
    await sweep()
  },
)

t.test('a gate about an object of the cluster: absent, closed, then open', async (t) => {
  await rig.addNode('worker-1')
  const agents = new ScriptedAgents(rig)
  const operator = rig.startOperator()
  const gate = (message: string) => ({
    name: 'no-freeze',
    object: { apiVersion: 'v1', kind: 'ConfigMap', namespace, name: 'freeze' },
    cel: "object.data.frozen == 'no'",
    message,
  })
  const apply = (message: string) =>
    rig.apply('p', { handlers: [{ name: 'runc' }], rollout: { gates: [gate(message)] } })
  await apply('the shop is open')
  await rig.untilSays('p', /^Gate no-freeze cannot be asked: ConfigMap freeze in shop is not there$/)
  const writes = operator.wire.writes.length
  await systemClock.sleep(2_000)
  t.equal(operator.wire.writes.length, writes, 'waiting writes nothing')
  const configMaps = { group: '', version: 'v1', plural: 'configmaps', kind: 'ConfigMap', namespaced: true }
  await rig.client.create(configMaps, {
    metadata: { name: 'freeze', namespace },
    data: { frozen: 'yes' },
  } as KubeObject)
  // Another gate is asked at once, the same one every 30 seconds.
  await apply('it is Black Friday')
  await rig.untilSays('p', /^Gate no-freeze holds the rollout: it is Black Friday$/)
  t.same(cordonedByUs(await rig.nodes()), [])
  await rig.client.patch(configMaps, { namespace, name: 'freeze' }, { data: { frozen: 'no' } }, { kind: 'merge' })
  await apply('it was Black Friday')
  await rig.untilReady('p')
  await operator.stop()
  await agents.stop()
  await sweep()
})

t.test('nodes that join with the startup taint are admitted proven, or when no profile selects them', async (t) => {
  const taints = [
    { key: 'drydock.dev/not-ready', effect: 'NoSchedule' },
    { key: 'example.com/other', value: 'x', effect: 'NoSchedule' },
  ]
  const agents = new ScriptedAgents(rig)
  const operator = rig.startOperator()
  await rig.apply('p', { handlers: [{ name: 'runc' }], nodeSelector: { matchLabels: { pool: 'a' } } })
  await Promise.all([
    rig.addNode('other-1', { pool: 'b' }, taints),
    ...[1, 2, 3].map((index) => rig.addNode(`worker-${index}`, { pool: 'a' }, taints)),
  ])
  const isTainted = async (): Promise<string[]> =>
    (await rig.nodes()).flatMap(({ metadata, spec }) =>
      spec?.taints?.some(({ key }) => key === taints[0]?.key) ? [metadata.name ?? ''] : [],
    )
  await rig.until('the node that nobody selects', async () =>
    (await isTainted()).includes('other-1') ? 'tainted' : undefined,
  )
  await rig.until('the others', async () => (await isTainted()).join() || undefined)
  await rig.untilReady('p')
  for (const { metadata, spec } of await rig.nodes()) {
    t.ok(
      spec?.taints?.some(({ key }) => key === 'example.com/other'),
      `${metadata.name} keeps the taint of others`,
    )
  }
  for (const { metadata, status } of await rig.runtimes()) {
    t.equal(status?.phase === 'Committed', metadata.name.startsWith('worker'), metadata.name)
  }
  const patches = operator.wire.writes.filter(({ path }) => path.startsWith('/api/v1/nodes/worker'))
  t.equal(patches.length, 3, 'one write a Node: no cordon, and the taint goes with the return')
  await operator.stop()
  await agents.stop()
  await sweep()
})

t.test('an abort gives back what drains; taken away, the node has its turn again', async (t) => {
  await rig.addNode('worker-1')
  await rig.addPod(namespace, 'slow', 'worker-1', slow)
  const agents = new ScriptedAgents(rig)
  const operator = rig.startOperator()
  await rig.apply('p', { handlers: [{ name: 'runc' }] })
  await rig.untilSays('p', /Pods shop\/slow are ending/)
  t.same(cordonedByUs(await rig.nodes()), ['worker-1'])
  await rig.annotate('p', { 'drydock.dev/abort': 'now' })
  await rig.untilSays(
    'p',
    /^The rollout was aborted: remove the annotation drydock\.dev\/abort of RuntimeProfile p to go on$/,
  )
  t.notOk((await rig.nodes())[0]?.spec?.unschedulable)
  t.match((await rig.reports())[0]?.status, { phase: 'Failed', nodes: [{ result: 'Skipped', reason: 'Aborted' }] })
  await endSlow('slow')
  await rig.annotate('p', { 'drydock.dev/abort': null })
  await rig.untilReady('p')
  await operator.stop()
  await agents.stop()
  await sweep()
})

t.test('drift is repaired without a word of anybody, and reported', async (t) => {
  await rig.addNode('worker-1')
  const agents = new ScriptedAgents(rig)
  const operator = rig.startOperator()
  await rig.apply('p', { handlers: [{ name: 'runc' }], drift: 'Repair' })
  await rig.untilReady('p')
  const drift = { status: { drifted: true } }
  await rig.client.patch(NodeRuntimes, { name: 'worker-1' }, drift, { kind: 'merge', subresource: 'status' })
  await rig.until('the repair', async () => {
    const [runtime] = await rig.runtimes()
    return runtime?.spec?.attempt === 2 ? undefined : `attempt ${runtime?.spec?.attempt}`
  })
  await rig.client.patch(
    NodeRuntimes,
    { name: 'worker-1' },
    { status: { drifted: false } },
    { kind: 'merge', subresource: 'status' },
  )
  await rig.untilReady('p')
  t.equal((await rig.reports()).length, 2)
  await operator.stop()
  await agents.stop()
  await sweep()
})

t.test('two profiles in conflict: the node is untouched and both say so', async (t) => {
  await rig.addNode('worker-1')
  const agents = new ScriptedAgents(rig)
  await rig.apply('one', { handlers: [{ name: 'runc' }] })
  await rig.apply('two', { handlers: [{ name: 'crun' }] })
  const operator = rig.startOperator()
  for (const name of ['one', 'two']) {
    await rig.until(name, async () => {
      const { message } = (await rig.profile(name))?.status ?? {}
      return message?.includes('is also selected by RuntimeProfile') ? undefined : (message ?? 'no message')
    })
  }
  t.equal((await rig.runtimes())[0]?.spec?.permit, 'Observe')
  await rig.client.delete(RuntimeProfiles, { name: 'two' })
  await rig.untilReady('one')
  await operator.stop()
  await agents.stop()
  await sweep()
})

t.test(
  'the operator is killed after each of its writes, and the rollout ends all the same',
  { timeout: 100_000 },
  async (t) => {
    for (const name of ['worker-1', 'worker-2']) {
      await rig.addNode(name)
      await rig.addPod(namespace, `cart-${name}`, name)
    }
    const switched: string[] = []
    const agents = new ScriptedAgents(rig, {
      onAnswer: async ({ metadata }, phase) => {
        if (phase === 'Switching') switched.push(metadata.name)
      },
    })
    const checkBudget = watchBudget(1)
    await rig.apply('p', { handlers: [{ name: 'runc' }] })
    let lives = 0
    for (; lives < 60; lives++) {
      const operator = rig.startOperator({ cutAfter: 1 })
      const quiet = new AbortController()
      await Promise.race([operator.ended, untilConverged(quiet.signal)])
      quiet.abort()
      if (operator.wire.writes.length === 0) {
        await operator.stop()
        break
      }
      await operator.ended
    }
    t.ok(lives > 10, `${lives} operators died, one after each write`)
    await checkBudget(t)
    t.same(switched.sort(), ['worker-1', 'worker-2'], 'each node was switched once')
    const profile = await rig.profile('p')
    t.equal(
      profile?.status?.conditions?.find(({ type }) => type === 'Ready')?.status,
      'True',
      profile?.status?.message ?? '',
    )
    t.match(
      (await rig.reports()).map(({ status }) => status),
      [{ phase: 'Succeeded', changed: 2 }],
    )
    await agents.stop()
    await sweep()
  },
)

const untilConverged = async (signal: AbortSignal): Promise<void> => {
  while (!signal.aborted) {
    const profile = await rig.profile('p')
    const ready = profile?.status?.conditions?.find(({ type }) => type === 'Ready')?.status === 'True'
    const ended = (await rig.reports()).every(({ status }) => status?.completionTime !== undefined)
    if (ready && ended) {
      await systemClock.sleep(1_000, signal)
      return
    }
    await systemClock.sleep(100, signal)
  }
}

t.test(
  'Docker to containerd and back: drained, compared by name and version, noted on the Node, reported',
  async (t) => {
    const note = 'kubeadm.alpha.kubernetes.io/cri-socket'
    const docker = { engineName: 'docker', engineVersion: '26.1.5+dfsg1' }
    const containerd = { engineName: 'containerd', engineVersion: 'v2.3.7' }
    const engines = {
      docker: { name: 'docker', version: '26.1.5+dfsg1', socket: 'unix:///run/cri-dockerd.sock' },
      containerd: { name: 'containerd', version: 'v2.3.7', socket: 'unix:///run/containerd/containerd.sock' },
    }
    await rig.addNode('worker-1')
    await rig.setNodeStatus('worker-1', { runtime: 'docker://26.1.5+dfsg1' })
    await rig.client.patch(
      Nodes,
      { name: 'worker-1' },
      { metadata: { annotations: { [note]: '/var/run/cri-dockerd.sock' } } },
      { kind: 'merge' },
    )
    await rig.addPod(namespace, 'cart', 'worker-1')
    const effects = {
      kubeletDownMilliseconds: 2_700,
      podsRemoved: 3,
      images: { carried: 5, bytes: 300_000_000 },
      reclaimableBytes: 900_000_000,
      residue: ['/var/lib/docker takes 900 MB.'],
      notes: ['--network-plugin was removed.'],
    }
    const agents = new ScriptedAgents(rig, {
      answer: ({ spec }, usual) => {
        const isBack = spec?.revision === 'original'
        const [before, after] = isBack ? (['containerd', 'docker'] as const) : (['docker', 'containerd'] as const)
        if (usual.phase === 'Prepared') {
          return { ...usual, action: 'DrainSwitch', observed: { engine: engines[before] } }
        }
        if (usual.phase !== 'Proven') return { ...usual, changed: !isBack }
        const verification = { passed: true, time: '', durationMilliseconds: 900, ...(isBack ? docker : containerd) }
        return { ...usual, observed: { engine: engines[after] }, verification, ...effects }
      },
    })
    const operator = rig.startOperator()
    await rig.apply('p', { handlers: [{ name: 'runc', default: true }], migration: { images: 'transfer' } })
    await rig.untilReady('p')
    const annotationsOf = async () => (await rig.nodes())[0]?.metadata.annotations ?? {}
    t.match(await annotationsOf(), {
      [note]: 'unix:///run/containerd/containerd.sock',
      'drydock.dev/former-cri-socket': '/var/run/cri-dockerd.sock',
    })
    t.equal(summarise(operator.wire.writes)['PATCH nodes'], 2, 'the cordon, and all the rest in one write')
    t.equal(summarise(operator.wire.writes)['POST eviction'], 1, 'drained')
    t.match((await rig.runtimes())[0]?.spec?.target?.migration, { images: 'transfer' })
    await rig.until('the end of the report', async () =>
      (await rig.reports())[0]?.status?.completionTime ? undefined : 'open',
    )
    t.match((await rig.reports())[0]?.status?.nodes?.[0], {
      result: 'Changed',
      action: 'DrainSwitch',
      podsEvicted: 1,
      before: { engine: 'docker', engineVersion: '26.1.5+dfsg1', endpoint: 'unix:///run/cri-dockerd.sock' },
      after: { engine: 'containerd', engineVersion: 'v2.3.7', endpoint: 'unix:///run/containerd/containerd.sock' },
      ...effects,
    })
    await rig.client.delete(RuntimeProfiles, { name: 'p' })
    await rig.until('the end of the profile', async () => (await rig.profile('p'))?.status?.message)
    t.match(await annotationsOf(), { [note]: '/var/run/cri-dockerd.sock', 'drydock.dev/former-cri-socket': undefined })
    await operator.stop()
    await agents.stop()
    t.same(agents.errors, [])
    await sweep()
  },
)

t.test('a report of a profile that was deleted before it acted says so', async (t) => {
  await rig.addNode('worker-1')
  const operator = rig.startOperator()
  const agents = new ScriptedAgents(rig, { answer: () => ({ phase: 'Preparing' }) })
  await rig.apply('p', {})
  await rig.until('a report', async () => ((await rig.reports()).length > 0 ? undefined : 'none'))
  await rig.client.delete(RuntimeProfiles, { name: 'p' })
  await rig.until('the end of the profile', async () => (await rig.profile('p'))?.status?.message)
  t.match((await rig.reports())[0]?.status, {
    phase: 'Superseded',
    message: 'The profile was deleted before all was done: 0 nodes changed and proven.',
  })
  await operator.stop()
  await agents.stop()
  await sweep()
})

t.test('the agent’s DaemonSet is applied once, and uninstall leaves nothing', async (t) => {
  await rig.addNode('worker-1')
  await rig.addNode('worker-2')
  const manifest: unknown = JSON.parse(readFileSync('charts/agent-daemonset.gen.json', 'utf8'))
  const settings = { namespace, image: 'registry/agent:1', pullPolicy: 'IfNotPresent', pullSecrets: ['pull'] } as const
  const agent = daemonSetOf(manifest, settings)
  const agents = new ScriptedAgents(rig)
  const operator = rig.startOperator({ agent })
  await rig.apply('p', {
    handlers: [{ name: 'runc', runtimeClass: { name: 'mine' } }],
    nodeSelector: { matchLabels: { 'kubernetes.io/hostname': 'worker-1' } },
  })
  await rig.untilReady('p')
  const found = await rig.client.get<KubeObject & { spec?: { template?: object } }>(DaemonSets, {
    namespace,
    name: 'drydock-agent',
  })
  t.match(found?.spec?.template, {
    spec: { containers: [{ image: 'registry/agent:1' }], imagePullSecrets: [{ name: 'pull' }] },
  })
  t.notMatch(JSON.stringify(found?.spec), 'SET-BY-THE-OPERATOR')
  t.equal(operator.wire.writes.filter(({ path }) => path.includes('daemonsets')).length, 1)
  const tools = {
    client: rig.client,
    clock: systemClock,
    namespace,
    identity: 'uninstall',
    timeoutSeconds: 20,
    signal: new AbortController().signal,
  }
  const lines: string[] = []
  const say = (line: string): void => void lines.push(line)
  await t.rejects(uninstall({ ...tools, say }), /RuntimeProfile p still exists: delete it first/)
  await rig.client.delete(RuntimeProfiles, { name: 'p' })
  await rig.until('the end of the profile', async () => (await rig.profile('p'))?.status?.message)
  await operator.stop()
  await rig.setNodeStatus('worker-2', { ready: false })
  await uninstall({ ...tools, say })
  t.match(lines.join('\n'), /worker-2 is not Ready: skipped/)
  t.match(lines.join('\n'), /worker-1: Drydock is off/)
  t.match(lines.at(-1), /^Drydock has left the cluster, but not the nodes worker-2: /)
  t.same(await rig.runtimes(), [])
  t.equal(await rig.client.get(DaemonSets, { namespace, name: 'drydock-agent' }), undefined)
  t.equal(await rig.client.get(RuntimeClasses, { name: 'mine' }), undefined)
  t.same(
    (await rig.nodes()).flatMap(({ metadata }) =>
      Object.keys(metadata.labels ?? {}).filter((label) => label.includes('drydock')),
    ),
    [],
  )
  await agents.stop()
  await sweep()
})

t.test('a RuntimeClass that somebody else created is left alone, and said so', async (t) => {
  await rig.client.apply(RuntimeClasses, { metadata: { name: 'crun' }, handler: 'other' } as KubeObject, {
    fieldManager: `not-${fieldManager}`,
  })
  const operator = rig.startOperator()
  await rig.apply('p', { handlers: [{ name: 'crun', runtimeClass: {} }] })
  await rig.until('the event', async () => {
    const { items } = await rig.client.list<KubeObject & { reason?: string }>(Events, { namespace: 'default' })
    return items.some(({ reason }) => reason === 'RuntimeClassForeign') ? undefined : 'none yet'
  })
  const kept = await rig.client.get<KubeObject & { handler?: string }>(RuntimeClasses, { name: 'crun' })
  t.equal(kept?.handler, 'other')
  await operator.stop()
  await sweep()
})
