import t from 'tap'
import { annotations } from '../../crds/protocol.ts'
import { shareOf } from '../../operator/rollout/budget.ts'
import { revisionOf, targetOf } from '../../operator/rollout/revision.ts'
import { selects } from '../../operator/rollout/selector.ts'
import type { Decision } from '../../operator/rollout/types.ts'
import { SimulatedCluster, spec } from '../simulation/rollout-cluster.ts'

const of = (decisions: readonly Decision[], ...kinds: Decision['kind'][]): string[] =>
  decisions
    .filter(({ kind }) => kinds.includes(kind))
    .map((decision) => ('node' in decision ? `${decision.kind} ${decision.node}` : decision.kind))

const cluster = (...names: string[]): SimulatedCluster => {
  const made = new SimulatedCluster()
  for (const name of names) made.addNode(name)
  return made
}

t.test('the revision is the hash of what the nodes run, however it is written', async (t) => {
  const revision = (over: Parameters<typeof spec>[0] = {}) => revisionOf(targetOf(spec(over)))
  t.match(revision(), /^[0-9a-f]{10,16}$/)
  const crun = { name: 'crun' }
  const runc = { name: 'runc', default: true }
  t.equal(revision({ handlers: [crun, runc] }), revision({ handlers: [runc, crun] }), 'order of handlers')
  t.equal(revision({ handlers: [{ ...crun, type: 'crun' }] }), revision({ handlers: [crun] }), 'defaults')
  t.equal(
    revision({ rollout: { maxUnavailable: 3 }, verify: { timeout: '5m' }, drift: 'Report' }),
    revision(),
    'the way',
  )
  t.equal(revision({ handlers: [{ ...crun, runtimeClass: {} }] }), revision({ handlers: [crun] }), 'RuntimeClasses')
  t.equal(
    revision({ engine: { name: 'containerd', source: { preinstalled: {} } }, migration: {} }),
    revision(),
    'preinstalled is what no source means',
  )
  const archive = { url: 'https://example.com/a', sha256: '0'.repeat(64) }
  const different = [
    { cgroupDriver: 'cgroupfs' as const },
    { engine: { name: 'cri-o' as const } },
    { engine: { name: 'containerd' as const, source: { package: {} } } },
    { engine: { name: 'containerd' as const, source: { archive } } },
    { handlers: [{ ...runc, archive }] },
    { migration: { previousEngine: 'keep' as const } },
  ]
  t.equal(new Set([revision(), ...different.map(revision)]).size, different.length + 1)
  t.not(revision({ sandboxImage: 'registry.k8s.io/pause:3.10' }), revision())
})

t.test('maxUnavailable is rounded down and at least 1', async (t) => {
  const cases = [
    [undefined, 10, 1],
    [1, 10, 1],
    [3, 10, 3],
    ['10%', 10, 1],
    ['10%', 5, 1],
    ['25%', 10, 2],
    ['100%', 7, 7],
  ] as const
  for (const [value, total, wanted] of cases) t.equal(shareOf(value, total), wanted, `${value} of ${total}`)
})

t.test('selectors are read as metav1.LabelSelector has them', async (t) => {
  const labels = { pool: 'a', zone: '1' }
  const expression = (key: string, operator: 'In' | 'NotIn' | 'Exists' | 'DoesNotExist', values?: string[]) =>
    selects({ matchExpressions: [{ key, operator, ...(values && { values }) }] }, labels)
  t.ok(selects({}, labels), 'an empty selector selects all')
  t.ok(selects({ matchLabels: { pool: 'a' } }, labels))
  t.notOk(selects({ matchLabels: { pool: 'a', zone: '2' } }, labels))
  t.ok(expression('pool', 'In', ['a', 'b']))
  t.notOk(expression('absent', 'In', ['a']))
  t.notOk(expression('pool', 'NotIn', ['a']))
  t.ok(expression('absent', 'NotIn', ['a']))
  t.ok(expression('pool', 'Exists'))
  t.ok(expression('absent', 'DoesNotExist'))
})

t.test('one node at a time, workers first, and all end in service with their labels', async (t) => {
  const sim = cluster('worker-10', 'worker-2')
  sim.addNode('cp-1', { labels: { 'node-role.kubernetes.io/control-plane': '' } })
  sim.apply('all', spec())
  const made = await sim.settle()
  t.same(of(made, 'Order'), ['Order worker-2', 'Order worker-10', 'Order cp-1'], 'all prepare')
  t.same(of(made, 'Cordon', 'Return'), [
    'Cordon worker-2',
    'Return worker-2',
    'Cordon worker-10',
    'Return worker-10',
    'Cordon cp-1',
    'Return cp-1',
  ])
  const planned = sim.plan('all')
  t.equal(planned?.progress, 'Ready')
  t.equal(planned?.counts.ready, 3)
  t.same(planned?.decisions, [], 'a converged fleet needs nothing')
  t.equal(sim.nodes.get('cp-1')?.metadata.labels?.['handler.drydock.dev/runc'], 'true')
  t.equal([...sim.reports.values()][0]?.status?.phase, 'Succeeded')
  t.equal([...sim.reports.values()][0]?.status?.nodes?.length, 3)
})

t.test('a change that needs no drain cordons nothing and still takes a place', async (t) => {
  const sim = cluster('a', 'b')
  sim.actions.set('a', 'Restart').set('b', 'None')
  sim.apply('p', spec())
  const made = await sim.settle()
  t.same(of(made, 'Cordon', 'Drain'), [])
  const order = of(made, 'PermitSwitch', 'PermitCommit')
  t.same(order, ['PermitSwitch a', 'PermitCommit a', 'PermitSwitch b', 'PermitCommit b'])
})

t.test('control-plane nodes go one at a time, whatever maxUnavailable says, also across profiles', async (t) => {
  const sim = new SimulatedCluster()
  const role = 'node-role.kubernetes.io/control-plane'
  for (const pool of ['a', 'b', 'c']) sim.addNode(`cp-${pool}`, { labels: { [role]: '', pool } })
  sim.apply(
    'ab',
    spec({
      nodeSelector: { matchExpressions: [{ key: 'pool', operator: 'In', values: ['a', 'b'] }] },
      rollout: { maxUnavailable: '100%' },
    }),
  )
  sim.apply('c', spec({ nodeSelector: { matchLabels: { pool: 'c' } }, rollout: { maxUnavailable: '100%' } }))
  const made = of(await sim.settle(), 'Cordon', 'Return')
  for (let index = 0; index < made.length; index += 2) {
    t.match(made[index], /^Cordon/)
    t.equal(made[index + 1], made[index]?.replace('Cordon', 'Return'))
  }
  t.equal(made.length, 6)
})

t.test('nodes that are out for other reasons count, and the sentence names them', async (t) => {
  const sim = cluster('a', 'b')
  sim.setReady('b', false)
  sim.apply('p', spec())
  t.same(of(await sim.settle(), 'Cordon'), [])
  t.equal(sim.plan('p')?.why.message, 'a waits: b is unavailable and maxUnavailable allows 1')
  sim.setReady('b', true)
  t.same(of(await sim.settle(), 'Cordon'), ['Cordon a', 'Cordon b'])
})

t.test('a node that a person cordoned is changed within the budget and stays cordoned', async (t) => {
  const sim = cluster('a', 'b')
  sim.setCordon('b', true)
  sim.apply('p', spec())
  const made = await sim.settle()
  t.same(of(made, 'BeginTurn', 'PermitSwitch'), ['BeginTurn b', 'PermitSwitch b'], 'b costs nobody anything')
  t.ok(sim.view('b')?.unschedulable)
  t.equal(sim.plan('p')?.why.reason, 'MaxUnavailable', 'a waits as long as b is out')
  sim.setCordon('b', false)
  await sim.settle()
  t.equal(sim.plan('p')?.progress, 'Ready')
})

t.test(
  'a node whose turn began under a cordon that a person took away is in service, and has its turn anew',
  async (t) => {
    const sim = cluster('a')
    sim.setCordon('a', true)
    sim.blockedDrains.add('a')
    sim.apply('p', spec())
    t.same(of(await sim.settle(), 'Cordon', 'BeginTurn', 'PermitSwitch'), ['BeginTurn a'])
    sim.apply('p', spec({ rollout: { paused: true } }))
    sim.setCordon('a', false)
    t.same(of(await sim.settle(), 'Cordon', 'BeginTurn', 'Drain', 'PermitSwitch'), [], 'the pause holds for it, too')
    t.equal(sim.plan('p')?.why.reason, 'Paused')
    sim.blockedDrains.clear()
    sim.apply('p', spec())
    t.same(of(await sim.settle(), 'Cordon', 'PermitSwitch', 'Return'), ['Cordon a', 'PermitSwitch a', 'Return a'])
    t.notOk(sim.view('a')?.unschedulable)
  },
)

t.test('the failure budget stops the rollout with the reason, and a retry goes on', async (t) => {
  const sim = cluster('a', 'b', 'c')
  sim.fates.set('a', 'RolledBack')
  sim.apply('p', spec())
  t.same(of(await sim.settle(), 'Cordon'), ['Cordon a'])
  t.notOk(sim.view('a')?.unschedulable, 'rolled back and proven: back in service')
  const planned = sim.plan('p')
  t.equal(planned?.progress, 'Stalled')
  t.match(planned?.why.message, /^The rollout stopped: 1 of 1 allowed failures \(a\)\. a: crun/)
  t.same(planned?.decisions, [], 'it stays stopped')
  t.same(
    [...sim.reports.values()].map(({ status }) => status?.phase),
    ['Failed'],
  )
  sim.fates.delete('a')
  sim.retry('p', 'once')
  await sim.settle()
  t.equal(sim.plan('p')?.progress, 'Ready')
  t.equal(sim.runtimes.get('a')?.spec?.attempt, 2)
  t.same(
    [...sim.reports.values()].map(({ status }) => status?.phase),
    ['Failed', 'Succeeded'],
  )
  t.same([...sim.reports.values()][1]?.status?.nodes?.map(({ name }) => name).sort(), ['a', 'b', 'c'])
})

t.test('a node that neither state could be proven of stays cordoned and holds its place', async (t) => {
  const sim = cluster('a', 'b')
  sim.fates.set('a', 'Failed')
  sim.apply('p', spec({ rollout: { failureBudget: 5 } }))
  t.same(of(await sim.settle(), 'Cordon'), ['Cordon a'])
  t.ok(sim.view('a')?.unschedulable)
  t.equal(sim.plan('p')?.why.reason, 'MaxUnavailable')
})

t.test('a node that failed is not let go of before its state is known, whatever order comes next', async (t) => {
  const sim = cluster('a')
  sim.fates.set('a', 'Failed')
  sim.apply('p', spec())
  await sim.settle()
  sim.fates.set('a', 'Silent')
  sim.apply('p', spec({ cgroupDriver: 'cgroupfs' }))
  t.same(of(await sim.settle(), 'Order'), ['Order a'], 'a new revision is another try')
  sim.remove('p')
  t.same(of(await sim.settle(), 'Order', 'Release', 'Return'), ['Order a'], 'its former files are ordered')
  t.ok(sim.view('a')?.unschedulable)
  t.ok(sim.profiles.has('p'))
  sim.fates.clear()
  await sim.settle()
  t.notOk(sim.view('a')?.unschedulable)
  t.notOk(sim.profiles.has('p'))
})

t.test('a refusal never cordons', async (t) => {
  const sim = cluster('a')
  sim.fates.set('a', 'Refused')
  sim.apply('p', spec())
  t.same(of(await sim.settle(), 'Cordon', 'PermitSwitch'), [])
  t.match(sim.plan('p')?.why.message, 'a: no crun')
  t.equal([...sim.reports.values()][0]?.status?.nodes?.[0]?.result, 'Refused')
})

t.test('paused: no further node starts, the one under way finishes', async (t) => {
  const sim = cluster('a', 'b')
  sim.fates.set('a', 'Committed')
  sim.apply('p', spec())
  for (let step = 0; !sim.view('a')?.unschedulable; step++) {
    for (const decision of sim.plan('p')?.decisions ?? []) await sim.carryOut('p', decision)
    for (const name of ['a', 'b']) sim.agentStep(name)
    if (step > 20) break
  }
  sim.apply('p', spec({ rollout: { paused: true } }))
  const made = await sim.settle()
  t.same(of(made, 'PermitCommit', 'Return'), ['PermitCommit a', 'Return a'])
  t.match(sim.plan('p')?.why.message, /paused/)
  sim.apply('p', spec())
  await sim.settle()
  t.equal(sim.plan('p')?.progress, 'Ready')
})

t.test('a new revision in the middle: the node under way finishes its own first', async (t) => {
  const sim = cluster('a', 'b')
  sim.apply('p', spec())
  while (sim.runtimes.get('a')?.status?.phase !== 'Switching') {
    for (const decision of sim.plan('p')?.decisions ?? []) await sim.carryOut('p', decision)
    sim.agentStep('a')
    sim.agentStep('b')
  }
  const former = sim.runtimes.get('a')?.spec?.revision
  sim.apply('p', spec({ cgroupDriver: 'cgroupfs' }))
  const made = await sim.settle()
  const commit = made.findIndex(({ kind }) => kind === 'PermitCommit')
  const order = made.findIndex((decision) => decision.kind === 'Order' && decision.node === 'a')
  t.ok(commit >= 0 && commit < order, 'commits before it gets the new order')
  t.not(sim.runtimes.get('a')?.spec?.revision, former)
  t.same(
    [...sim.reports.values()].map(({ status }) => status?.phase),
    ['Superseded', 'Succeeded'],
  )
})

t.test('a deleted profile restores its nodes by the same rules and then goes', async (t) => {
  const sim = cluster('a', 'b', 'c')
  sim.fates.set('c', 'Refused')
  sim.apply('p', spec({ rollout: { failureBudget: 9 } }))
  await sim.settle()
  sim.fates.clear()
  sim.remove('p')
  const made = await sim.settle()
  t.same(of(made, 'Order'), ['Order a', 'Order b'], 'c was never changed')
  t.same(of(made, 'Cordon', 'Return').slice(0, 2), ['Cordon a', 'Return a'])
  t.equal(sim.profiles.size, 0)
  for (const name of ['a', 'b', 'c']) {
    t.same(sim.runtimes.get(name)?.spec?.permit, 'Observe')
    t.notOk(sim.runtimes.get(name)?.metadata.annotations?.[annotations.committed])
    t.same(sim.view(name)?.labels, {}, 'handler labels are gone')
  }
  t.same(
    [...sim.reports.values()]
      .at(-1)
      ?.status?.nodes?.map(({ name }) => name)
      .sort(),
    ['a', 'b'],
  )
})

t.test('a node that leaves the selector is restored, one that another profile selects is handed over', async (t) => {
  const sim = new SimulatedCluster()
  sim.addNode('a', { labels: { pool: 'x' } })
  sim.apply('x', spec({ nodeSelector: { matchLabels: { pool: 'x' } } }))
  await sim.settle()
  const node = sim.nodes.get('a')
  if (node) node.metadata.labels = { ...node.metadata.labels, pool: 'y' }
  sim.apply('y', spec({ nodeSelector: { matchLabels: { pool: 'y' } } }))
  t.same(of(await sim.settle(), 'Adopt', 'Order', 'Cordon'), ['Adopt a'], 'the same target: nothing but the name')
  sim.remove('x')
  await sim.settle()
  t.notOk(sim.profiles.has('x'), 'x has no claim any more')
  if (node) node.metadata.labels = { ...node.metadata.labels, pool: 'z' }
  const made = await sim.settle()
  t.same(of(made, 'Order', 'Release'), ['Order a', 'Release a'])
})

t.test('two profiles that select one node: neither acts on it, both say so', async (t) => {
  const sim = cluster('a')
  sim.apply('one', spec())
  sim.apply('two', spec({ cgroupDriver: 'cgroupfs' }))
  t.same(of(await sim.settle(), 'Order', 'Cordon', 'PermitSwitch'), [])
  for (const [name, other] of [
    ['one', 'two'],
    ['two', 'one'],
  ] as const) {
    const planned = sim.plan(name)
    t.equal(planned?.progress, 'Stalled')
    t.match(planned?.why.message, new RegExp(`^a is also selected by RuntimeProfile ${other}`))
  }
  sim.remove('two')
  await sim.settle()
  t.equal(sim.plan('one')?.progress, 'Ready')
})

t.test('a conflict that begins during a drain gives the node back', async (t) => {
  const sim = cluster('a')
  sim.blockedDrains.add('a')
  sim.apply('one', spec())
  await sim.settle()
  t.ok(sim.view('a')?.unschedulable)
  sim.apply('two', spec())
  await sim.settle()
  t.notOk(sim.view('a')?.unschedulable)
})

t.test('a drain that takes too long gives the node back and counts as a failure', async (t) => {
  const sim = cluster('a', 'b')
  sim.blockedDrains.add('a')
  sim.apply('p', spec({ rollout: { drain: { timeout: '10m' } } }))
  await sim.settle()
  t.match(
    sim.plan('p')?.why.message,
    /^PDB shop\/cart allows 0 disruptions: a drains since 00:00:\d\d UTC, gives up at 00:10:\d\d UTC$/,
  )
  sim.now = new Date(sim.now.getTime() + 11 * 60_000)
  await sim.settle()
  t.notOk(sim.view('a')?.unschedulable)
  t.match(
    sim.plan('p')?.why.message,
    /1 of 1 allowed failures \(a\)\. PDB shop\/cart allows 0 disruptions; the node was given back/,
  )
  t.equal([...sim.reports.values()][0]?.status?.nodes?.[0]?.result, 'Skipped')
})

t.test('a drain that nothing is heard of takes too long, too', async (t) => {
  const sim = cluster('a')
  sim.blockedDrains.add('a')
  sim.apply('p', spec({ rollout: { drain: { timeout: '10m' } } }))
  await sim.settle()
  sim.drains.clear()
  sim.wait(9)
  t.same(of(sim.plan('p')?.decisions ?? [], 'Drain', 'GiveUp'), ['Drain a'])
  sim.now = new Date(sim.now.getTime() + (sim.plan('p')?.lookAgainMilliseconds ?? 0))
  t.match(sim.plan('p')?.decisions, [
    { kind: 'GiveUp', gaveUp: { message: /^The pods of a could not be listed; the/ } },
  ])
})

t.test('a commit waits for the Node, and is rolled back when the Node does not follow', async (t) => {
  const cases: [string, (sim: SimulatedCluster) => void, string][] = [
    ['not Ready', (sim) => sim.setReady('a', false), 'NodeNotReady'],
    ['the heartbeat of before', (sim) => heartbeat(sim, '2026-01-01T00:00:00Z'), 'HeartbeatOld'],
    ['another runtime', (sim) => runtimeVersion(sim, '1.6.20'), 'RuntimeVersionDiffers'],
    ['a handler that is not listed', (sim) => handlers(sim, ['', 'other']), 'HandlersMissing'],
  ]
  for (const [name, spoil, reason] of cases) {
    const sim = cluster('a')
    sim.apply('p', spec())
    while (sim.runtimes.get('a')?.status?.phase !== 'Proven') {
      for (const decision of sim.plan('p')?.decisions ?? []) await sim.carryOut('p', decision)
      sim.agentStep('a')
    }
    const status = sim.runtimes.get('a')?.status
    if (status) status.observed = { engine: { name: 'containerd', version: 'v1.7.0' } }
    spoil(sim)
    t.equal(sim.plan('p')?.why.reason, reason, name)
    t.same(sim.plan('p')?.decisions, [], 'it waits')
    sim.gate.set('a', 121_000)
    t.same(of(sim.plan('p')?.decisions ?? [], 'PermitRollback'), ['PermitRollback a'])
    for (const decision of sim.plan('p')?.decisions ?? []) await sim.carryOut('p', decision)
    sim.setReady('a', true)
    await sim.settle()
    t.notOk(sim.view('a')?.unschedulable)
    t.equal([...sim.reports.values()][0]?.status?.nodes?.[0]?.reason, reason, 'the report has the operator’s reason')
  }
})

const heartbeat = (sim: SimulatedCluster, time: string): void => {
  const ready = sim.nodes.get('a')?.status?.conditions?.[0]
  if (ready) ready.lastHeartbeatTime = time
}
const runtimeVersion = (sim: SimulatedCluster, version: string): void => {
  const status = sim.nodes.get('a')?.status
  if (status) status.nodeInfo = { containerRuntimeVersion: `containerd://${version}` }
}
const handlers = (sim: SimulatedCluster, names: string[]): void => {
  const status = sim.nodes.get('a')?.status
  if (status) status.runtimeHandlers = names.map((name) => ({ name }))
}

t.test('whatever engine the proof was told of through CRI, the Node must name it', async (t) => {
  const cases: [engineName: string, engineVersion: string, found: string, isRight: boolean][] = [
    ['cri-o', '1.34.1', 'cri-o://1.34.1', true],
    ['cri-o', '1.34.1', 'cri-o://1.33.4', false],
    ['cri-o', '1.34.1', 'containerd://1.34.1', false],
    ['docker', '26.1.5+dfsg1', 'docker://26.1.5+dfsg1', true],
    ['docker', '26.1.5+dfsg1', 'containerd://2.3.7', false],
    ['containerd', 'v2.3.7', 'containerd://2.3.7', true],
  ]
  for (const [engineName, engineVersion, found, isRight] of cases) {
    const sim = cluster('a')
    sim.apply('p', spec())
    await untilProven(sim)
    const status = sim.runtimes.get('a')?.status
    if (!status?.verification) throw new Error('no proof')
    // What was observed before the switch does not count.
    status.observed = { engine: { name: 'containerd', version: '1.6.20' } }
    status.verification = { ...status.verification, engineName, engineVersion }
    const node = sim.nodes.get('a')
    if (node?.status) node.status.nodeInfo = { containerRuntimeVersion: found }
    const decisions = of(sim.plan('p')?.decisions ?? [], 'PermitCommit')
    t.same(decisions, isRight ? ['PermitCommit a'] : [], `${engineName} ${engineVersion} and ${found}`)
  }
})

t.test('handlers that a node had before must be back before their restoring commits', async (t) => {
  const sim = cluster('a')
  sim.apply('p', spec())
  await sim.settle()
  sim.remove('p')
  await untilProven(sim)
  const status = sim.runtimes.get('a')?.status
  if (!status?.verification) throw new Error('no proof')
  t.equal(sim.runtimes.get('a')?.spec?.revision, 'original')
  status.verification.handlers = [{ name: 'kata', passed: true, durationMilliseconds: 1 }]
  handlers(sim, ['', 'runc'])
  t.equal(sim.plan('p')?.why.reason, 'HandlersMissing')
  handlers(sim, [])
  t.same(of(sim.plan('p')?.decisions ?? [], 'PermitCommit'), ['PermitCommit a'], 'Docker names no handlers')
})

t.test('a change of the engine is drained for', async (t) => {
  const sim = cluster('a')
  sim.actions.set('a', 'DrainSwitch')
  sim.apply('p', spec())
  const made = of(await sim.settle(), 'Cordon', 'Drain', 'PermitSwitch', 'PermitCommit', 'Return')
  t.same(made, ['Cordon a', 'Drain a', 'PermitSwitch a', 'PermitCommit a', 'Return a'])
})

t.test(
  'kubeadm’s note of the CRI socket follows the engine, there and back, in the write that gives the node back',
  async (t) => {
    const note = 'kubeadm.alpha.kubernetes.io/cri-socket'
    const noteOf = (sim: SimulatedCluster) => sim.nodes.get('a')?.metadata.annotations ?? {}
    const moved = async (before: string | undefined, socket: string) => {
      const sim = cluster('a')
      const { metadata } = sim.nodes.get('a') ?? {}
      if (metadata && before !== undefined) metadata.annotations = { [note]: before }
      const status = sim.runtimes.get('a')?.status
      if (status) status.observed = { engine: { name: 'x', socket } }
      sim.apply('p', spec())
      const writes = of(await sim.settle(), 'Return')
      return { sim, writes }
    }
    const containerd = 'unix:///run/containerd/containerd.sock'
    const former = { [annotations.formerCriSocket]: '/var/run/dockershim.sock' }
    const { sim, writes } = await moved('/var/run/dockershim.sock', containerd)
    t.same(noteOf(sim), { [note]: containerd, ...former })
    t.same(writes, ['Return a'], 'one write')
    const status = sim.runtimes.get('a')?.status
    if (status) status.observed = { engine: { name: 'cri-o', socket: 'unix:///var/run/crio/crio.sock' } }
    await sim.settle()
    t.same(noteOf(sim), { [note]: 'unix:///var/run/crio/crio.sock', ...former }, 'what was first is what comes back')
    sim.remove('p')
    await sim.settle()
    t.same(noteOf(sim), { [note]: '/var/run/dockershim.sock' })
    t.same(noteOf((await moved(undefined, containerd)).sim), {}, 'a Node without the note gets none')
    for (const same of [containerd, '/run/containerd/containerd.sock', 'unix:///var/run/containerd/containerd.sock']) {
      t.same(noteOf((await moved(same, containerd)).sim), { [note]: same }, `${same} is the same socket`)
    }
  },
)

t.test('a Node registered anew, whose host Drydock changed, is restored when its profile goes', async (t) => {
  const sim = cluster('a')
  sim.apply('p', spec())
  await sim.settle()
  sim.registerAnew('a')
  sim.fates.set('a', 'Silent')
  await sim.settle()
  t.equal(sim.runtimes.get('a')?.spec?.permit, 'Prepare', 'ordered again, and not committed')
  sim.remove('p')
  t.same(of(await sim.settle(), 'Order', 'Release'), [], 'nobody knows yet whether there is anything to restore')
  t.match(sim.plan('p')?.why, {
    reason: 'NoAnswer',
    message: /^a has not said yet whether there is anything to restore/,
  })
  t.equal(sim.plan('p')?.lookAgainMilliseconds, 600_000)
  sim.fates.clear()
  t.same(of(await sim.settle(), 'Order', 'Release'), ['Order a', 'Release a'])
  t.notOk(sim.changed.has('a'))
  t.notOk(sim.profiles.has('p'))
})

t.test(
  'what an agent remembers of the former Node of that name is no answer to the first order of the new one',
  async (t) => {
    const sim = cluster('a')
    sim.apply('p', spec())
    await sim.settle()
    const { status } = sim.runtimes.get('a')!
    t.match(status, { phase: 'Committed', attempt: 1 })
    sim.registerAnew('a')
    sim.fates.set('a', 'Silent')
    t.same(of(await sim.settle(), 'Order'), ['Order a'])
    // Its first report was on its way when the order was written.
    sim.runtimes.get('a')!.status = { ...status!, phase: 'Committed' }
    sim.fates.clear()
    const made = await sim.settle()
    t.same(of(made, 'Order', 'PermitSwitch', 'PermitCommit'), ['Order a', 'PermitSwitch a', 'PermitCommit a'])
    t.match(sim.runtimes.get('a'), { spec: { attempt: 2 }, status: { phase: 'Committed', attempt: 2 } })
  },
)

t.test('a node that has changed since it was prepared is no failure, and is prepared anew after a pause', async (t) => {
  const sim = cluster('a', 'b')
  sim.actions.set('a', 'None')
  sim.apply('p', spec({ rollout: { paused: true } }))
  await sim.settle()
  sim.apply('p', spec())
  const message = 'DrainRestart now, and None was announced.'
  let isFirst = true
  sim.watch = (_, decision) => {
    if (decision.kind !== 'PermitSwitch' || decision.node !== 'a' || !isFirst) return
    isFirst = false
    sim.refuseNext.set('a', { phase: 'Refused', reason: 'ActionChanged', message })
  }
  const made = await sim.settle()
  t.same(of(made, 'PermitSwitch', 'PermitCommit'), ['PermitSwitch a', 'PermitSwitch b', 'PermitCommit b'], 'b goes on')
  t.match(sim.plan('p'), {
    progress: 'Reconciling',
    why: { reason: 'PlanOutdated', message: `a: ${message} It is prepared anew` },
    counts: { failed: 0, waiting: 1 },
  })
  const left = sim.plan('p')?.lookAgainMilliseconds ?? 0
  t.ok(left > 0 && left <= 60_000, `${left}`)
  sim.wait(1)
  sim.actions.set('a', 'DrainRestart')
  const again = of(await sim.settle(), 'Order', 'Cordon', 'PermitCommit', 'Return')
  t.same(again, ['Order a', 'Cordon a', 'PermitCommit a', 'Return a'])
  t.equal(sim.plan('p')?.progress, 'Ready')
})

t.test('a Node registered anew while its profile goes is restored too', async (t) => {
  const sim = cluster('a', 'b')
  sim.apply('p', spec())
  await sim.settle()
  sim.remove('p')
  sim.registerAnew('a')
  sim.runtimes.get('a')!.status = { phase: 'Observed', changed: true }
  t.same(of(await sim.settle(), 'Order', 'Release').sort(), ['Order a', 'Order b', 'Release a', 'Release b'])
  t.same([...sim.changed], [])
})

t.test('an agent that never comes does not hold its profile back forever', async (t) => {
  const sim = cluster('a')
  sim.registerAnew('a')
  sim.fates.set('a', 'Silent')
  sim.apply('p', spec())
  await sim.settle()
  sim.remove('p')
  await sim.settle()
  sim.wait(9)
  t.same(of(await sim.settle(), 'Release'), [])
  sim.setReady('a', false)
  sim.wait(2)
  t.same(of(await sim.settle(), 'Release'), [], 'what is not Ready may yet come back')
  t.equal(sim.plan('p')?.lookAgainMilliseconds, undefined, 'its Node tells when')
  sim.setReady('a', true)
  t.same(of(await sim.settle(), 'Release'), ['Release a'])
  t.notOk(sim.profiles.has('p'))
})

t.test('a report says whether a newer revision or the removal of the profile ended it', async (t) => {
  const sim = cluster('a')
  sim.fates.set('a', 'Silent')
  sim.apply('p', spec())
  await sim.settle()
  sim.apply('p', spec({ cgroupDriver: 'cgroupfs' }))
  const ends = (decisions: readonly Decision[]) =>
    decisions.flatMap((decision) => (decision.kind === 'FinishReport' ? [decision.end] : []))
  t.same(ends(await sim.settle()), ['Superseded'])
  sim.remove('p')
  t.same(ends(await sim.settle()), ['Deleted'])
})

async function untilProven(sim: SimulatedCluster): Promise<void> {
  do {
    for (const decision of sim.plan('p')?.decisions ?? []) await sim.carryOut('p', decision)
    sim.agentStep('a')
  } while (sim.runtimes.get('a')?.status?.phase !== 'Proven')
}

t.test('a node that was replaced under its name waits for its own NodeRuntime', async (t) => {
  const sim = cluster('a')
  const runtime = sim.runtimes.get('a')
  if (runtime?.spec) runtime.spec.nodeUID = 'another'
  sim.apply('p', spec())
  t.same(of(await sim.settle(), 'Order', 'Cordon'), [])
  t.match(sim.plan('p')?.why.message, /must be collected first/)
})

t.test('a drifted node is reported, and written again on retry', async (t) => {
  const sim = cluster('a')
  sim.apply('p', spec())
  await sim.settle()
  const status = sim.runtimes.get('a')?.status
  if (status) status.drifted = true
  t.match(sim.plan('p'), { progress: 'Stalled', why: { reason: 'Drifted' }, decisions: [] })
  sim.retry('p', '1')
  const made = of(await sim.settle(), 'Order')
  t.same(made, ['Order a'])
})
