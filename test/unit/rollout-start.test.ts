import t from 'tap'
import type { RuntimeProfileSpec } from '../../crds/types.gen.ts'
import { answerOf } from '../../operator/rollout/answer.ts'
import { mayNotEvict } from '../../operator/rollout/looks.ts'
import { plan } from '../../operator/rollout/planner.ts'
import type { Decision, Look } from '../../operator/rollout/types.ts'
import { openingOf } from '../../operator/rollout/window.ts'
import { SimulatedCluster, spec } from '../simulation/rollout-cluster.ts'

type Rollout = NonNullable<RuntimeProfileSpec['rollout']>

const cluster = (names: readonly string[], rollout: Rollout): SimulatedCluster => {
  const sim = new SimulatedCluster()
  for (const name of names) sim.addNode(name)
  sim.apply('p', spec({ rollout }))
  return sim
}

/** Nodes whose change began, in that order. */
const changed = async (sim: SimulatedCluster): Promise<string[]> => namesOf(await sim.settle())
const namesOf = (decisions: readonly Decision[]): string[] =>
  decisions.flatMap((decision) => (decision.kind === 'PermitSwitch' ? [decision.node] : []))
const says = (sim: SimulatedCluster): string | undefined => sim.plan('p')?.why.message

const soak10: Rollout = { canary: { soak: '10m' } }

t.test('the rest starts when the canary has soaked, and not before', async (t) => {
  const sim = cluster(['a', 'b', 'c'], soak10)
  t.same(await changed(sim), ['a'])
  const planned = sim.plan('p')
  t.match(planned, { progress: 'Reconciling', decisions: [] })
  t.match(planned?.why, { reason: 'CanarySoaking', message: /^Canary a soaking until 2026-01-01 00:10:\d\d UTC$/ })
  sim.wait(9)
  t.same(await changed(sim), [])
  t.same(sim.plan('p')?.why, planned?.why, 'waiting changes no status')
  sim.now = new Date(sim.now.getTime() + (sim.plan('p')?.lookAgainMilliseconds ?? 0) - 1)
  t.same(await changed(sim), [], 'one millisecond too early')
  sim.now = new Date(sim.now.getTime() + 1)
  t.same(await changed(sim), ['b', 'c'])
  t.equal(sim.plan('p')?.progress, 'Ready')
})

t.test('several canaries keep to maxUnavailable, and the last one proven counts', async (t) => {
  const sim = cluster(['a', 'b', 'c'], { canary: { nodes: 2, soak: '1h' }, maxUnavailable: 1 })
  sim.blockedDrains.add('b')
  t.same(await changed(sim), ['a'])
  sim.wait(9)
  sim.blockedDrains.clear()
  sim.drains.clear()
  t.same(await changed(sim), ['b'])
  t.match(says(sim), /^Canaries a, b soaking until 2026-01-01 01:09:\d\d UTC$/)
  sim.wait(59)
  t.same(await changed(sim), [])
  sim.wait(1)
  t.same(await changed(sim), ['c'])
})

t.test('a canary that fails stops the rollout whatever the failureBudget', async (t) => {
  const cases: [string, (sim: SimulatedCluster) => void, string][] = [
    ['rolled back', (sim) => sim.fates.set('a', 'RolledBack'), 'a: crun'],
    ['lost', (sim) => sim.fates.set('a', 'Failed'), 'a: neither state'],
    ['refused', (sim) => sim.fates.set('a', 'Refused'), 'a: no crun'],
    ['not drained', (sim) => sim.blockedDrains.add('a'), 'PDB shop/cart allows 0 disruptions'],
  ]
  for (const [name, spoil, why] of cases) {
    const sim = cluster(['a', 'b', 'c'], { ...soak10, failureBudget: 50, maxUnavailable: 3 })
    spoil(sim)
    const made = await changed(sim)
    sim.wait(11)
    made.push(...(await changed(sim)))
    t.notOk(made.includes('b') || made.includes('c'), name)
    t.match(sim.plan('p'), { progress: 'Stalled', why: { reason: 'CanaryFailed' }, decisions: [] })
    t.match(says(sim), `The rollout stopped: a canary failed. ${why}`)
    t.equal([...sim.reports.values()][0]?.status?.phase, 'Failed')
    sim.fates.clear()
    sim.blockedDrains.clear()
    sim.drains.clear()
    sim.retry('p', 'once')
    t.same(await changed(sim), ['a'], 'the same canary again')
    sim.wait(10)
    t.same((await changed(sim)).sort(), ['b', 'c'])
  }
})

t.test('a node that fails and is no canary counts by the failureBudget', async (t) => {
  const sim = cluster(['a', 'b', 'c'], { ...soak10, failureBudget: 2 })
  sim.fates.set('c', 'Refused')
  t.same(await changed(sim), ['a'])
  sim.wait(10)
  t.same(await changed(sim), ['b'])
})

t.test('a canary must stay Ready, and is watched anew after it was not', async (t) => {
  const sim = cluster(['a', 'b', 'c'], { ...soak10, maxUnavailable: 3 })
  await sim.settle()
  sim.wait(8)
  sim.setReady('a', false)
  t.equal(says(sim), 'The rest waits: canary a is not Ready')
  sim.wait(8)
  t.same(await changed(sim), [])
  sim.setReady('a', true)
  t.match(says(sim), /^Canary a soaking until 2026-01-01 00:26:/)
  sim.wait(9)
  t.same(await changed(sim), [])
  sim.wait(1)
  t.same(await changed(sim), ['b', 'c'])
})

t.test('a canary that drifts stops the rollout until it is written again and soaked', async (t) => {
  const sim = cluster(['a', 'b', 'c'], soak10)
  await sim.settle()
  const status = sim.runtimes.get('a')?.status
  if (status) status.drifted = true
  sim.wait(11)
  t.same(await changed(sim), [])
  t.match(sim.plan('p'), {
    progress: 'Stalled',
    why: { reason: 'CanaryDrifted', message: /a has drifted: it is no longer what Drydock proved/ },
  })
  sim.retry('p', '1')
  t.same(await changed(sim), ['a'])
  t.match(says(sim), /^Canary a soaking until 2026-01-01 00:21:/)
})

t.test('what befalls a canary after the soak holds nobody back', async (t) => {
  const sim = cluster(['a', 'b', 'c'], { ...soak10, maxUnavailable: 3 })
  sim.blockedDrains.add('c')
  await sim.settle()
  sim.wait(10)
  await sim.settle()
  sim.setReady('a', false)
  sim.blockedDrains.clear()
  sim.drains.clear()
  t.same(await changed(sim), ['c'])
  sim.addNode('d')
  t.same(await changed(sim), ['d'], 'a node that joins later')
  const status = sim.runtimes.get('a')?.status
  if (status) status.drifted = true
  sim.addNode('e')
  t.same(await changed(sim), ['e'])
})

t.test('canaries stay who they are, and have soaked, however often nodes are proven once more', async (t) => {
  const sim = cluster(['a', 'b', 'c'], {})
  sim.apply(
    'p',
    spec({ rollout: { canary: { soak: '1h' }, maxUnavailable: 3, failureBudget: 9 }, verify: { every: '10m' } }),
  )
  t.same(await changed(sim), ['a'])
  sim.actions.set('a', 'None')
  sim.wait(60)
  t.same((await changed(sim)).slice(0, 2).sort(), ['b', 'c'])
  for (const name of ['b', 'c']) sim.actions.set(name, 'None')
  for (let times = 0; times < 3; times++) {
    sim.wait(11)
    t.same((await changed(sim)).sort(), ['a', 'b', 'c'], 'proven again')
  }
  sim.addNode('d', { isTainted: true })
  t.same(await changed(sim), ['d'], 'a node that joins waits for no second soak')
  drift(sim, 'b')
  sim.addNode('e')
  t.same(await changed(sim), ['e'], 'b is no canary')
  sim.wait(11)
  sim.fates.set('a', 'RolledBack')
  await sim.settle()
  sim.addNode('f')
  t.same(await changed(sim), ['f'], 'nor does it matter any more what befalls the canary')
})

t.test('a node that cannot be changed now lets the next one be the canary', async (t) => {
  const sim = cluster(['a', 'b', 'c'], { ...soak10, maxUnavailable: 2 })
  sim.setReady('a', false)
  t.same(await changed(sim), ['b'])
  sim.setReady('a', true)
  t.same(await changed(sim), [], 'b stays the canary')
  sim.wait(10)
  t.same(await changed(sim), ['a', 'c'])
})

t.test('canaries of another revision count for nothing, canaries that become fewer stay watched', async (t) => {
  const sim = cluster(['a', 'b', 'c'], { canary: { nodes: 2, soak: '10m' } })
  await sim.settle()
  sim.apply('p', spec({ cgroupDriver: 'cgroupfs', rollout: { canary: { nodes: 2, soak: '10m' } } }))
  sim.wait(9)
  t.same(await changed(sim), ['a', 'b'])
  sim.apply('p', spec({ cgroupDriver: 'cgroupfs', rollout: { canary: { nodes: 1, soak: '10m' } } }))
  t.same(await changed(sim), [])
  t.match(says(sim), /^Canary a soaking/)
})

t.test('whoever takes a place that comes back is looked at while it is given back, and nobody else', async (t) => {
  const sim = cluster(['a', 'b', 'c'], {})
  const asked: string[] = []
  sim.watch = (_, decision) => {
    if (decision.kind !== 'Return') return
    sim.asked.clear()
    const { questions, decisions } = plan(sim.state('p')!, sim.now)
    t.notOk(
      decisions.some(({ kind }) => kind === 'Cordon'),
      'nothing starts before the place is free',
    )
    asked.push(
      `${decision.node}: ${questions.map((question) => (question.ask === 'evictions' ? question.node : 'gates'))}`,
    )
  }
  await sim.settle()
  t.same(asked, ['a: b', 'b: c', 'c: '])
})

t.test('canaries as a percentage of the nodes', async (t) => {
  const sim = cluster(['a', 'b', 'c', 'd', 'e'], { canary: { nodes: '50%', soak: '10m' } })
  t.same(await changed(sim), ['a', 'b'])
  t.match(says(sim), /^Canaries a, b soaking/)
  sim.wait(10)
  t.same(await changed(sim), ['c', 'd', 'e'])
})

t.test('nodes that get back what they ran before wait for no canary', async (t) => {
  const sim = cluster(['a', 'b', 'c'], { canary: { soak: '1m' } })
  await sim.settle()
  sim.wait(1)
  await sim.settle()
  sim.remove('p')
  t.same(await changed(sim), ['a', 'b', 'c'])
  t.notOk(sim.profiles.has('p'))
})

t.test('a fleet of canaries only ends without a soak', async (t) => {
  const sim = cluster(['a', 'b'], { canary: { nodes: 5, soak: '24h' } })
  t.same(await changed(sim), ['a', 'b'])
  t.equal(sim.plan('p')?.progress, 'Ready')
})

t.test('the control plane comes after the workers, canary or not', async (t) => {
  const sim = new SimulatedCluster()
  sim.addNode('cp', { labels: { 'node-role.kubernetes.io/control-plane': '' } })
  sim.addNode('z')
  sim.apply('p', spec({ rollout: soak10 }))
  t.same(await changed(sim), ['z'])
  sim.wait(10)
  t.same(await changed(sim), ['cp'])
})

const night = { cron: '30 2 * * *', duration: '1h', timeZone: 'Europe/Berlin' }

t.test('a window is open from each start for its duration, in its time zone', async (t) => {
  const cases: [string, Parameters<typeof openingOf>[0], string, 'open' | string][] = [
    ['before', night, '2026-01-10T01:29:59.999Z', '2026-01-10T01:30:00.000Z'],
    ['at its start', night, '2026-01-10T01:30:00.000Z', 'open'],
    ['within', night, '2026-01-10T02:00:00.500Z', 'open'],
    ['at its last moment', night, '2026-01-10T02:29:59.999Z', 'open'],
    ['at its end', night, '2026-01-10T02:30:00.000Z', '2026-01-11T01:30:00.000Z'],
    ['in summer time', night, '2026-07-10T00:29:00.000Z', '2026-07-10T00:30:00.000Z'],
    ['spring: skipped, so right after the gap', night, '2026-03-29T00:59:59.000Z', '2026-03-29T01:00:00.000Z'],
    ['spring: open from there', night, '2026-03-29T01:59:59.000Z', 'open'],
    ['spring: and for its duration', night, '2026-03-29T02:00:00.000Z', '2026-03-30T00:30:00.000Z'],
    ['autumn: at the first of two', night, '2026-10-25T00:30:00.000Z', 'open'],
    ['autumn: not at the second', night, '2026-10-25T01:30:00.000Z', '2026-10-26T01:30:00.000Z'],
    ['autumn: across the change', { ...night, duration: '3h' }, '2026-10-25T03:29:59.000Z', 'open'],
    [
      'autumn: its duration is real time',
      { ...night, duration: '3h' },
      '2026-10-25T03:30:00.000Z',
      '2026-10-26T01:30:00.000Z',
    ],
    ['UTC when no zone is named', { cron: '0 1 * * *', duration: '4h' }, '2026-03-29T04:59:00.000Z', 'open'],
    [
      'a zone without summer time',
      { cron: '0 1 * * *', duration: '4h', timeZone: 'Asia/Ho_Chi_Minh' },
      '2026-01-01T12:00:00.000Z',
      '2026-01-01T18:00:00.000Z',
    ],
    ['weekdays', { cron: '0 22 * * FRI,SAT', duration: '2h' }, '2026-01-01T00:00:00.000Z', '2026-01-02T22:00:00.000Z'],
    ['longer than its distance', { cron: '0 * * * *', duration: '2h' }, '2026-01-01T00:59:59.999Z', 'open'],
  ]
  for (const [name, window, now, wanted] of cases) {
    const opening = openingOf(window, new Date(now))
    t.equal(opening.is === 'closed' ? opening.until.toISOString() : opening.is, wanted, name)
  }
})

t.test('a window that nobody can read stalls the profile with what to write', async (t) => {
  const cases: [Rollout['window'] & object, RegExp][] = [
    [{ ...night, timeZone: 'Mars/Olympus' }, /window\.timeZone Mars\/Olympus is unknown; write .* Asia\/Ho_Chi_Minh$/],
    [
      { ...night, cron: '0 5-1 * * *' },
      /window\.cron 0 5-1 \* \* \* says no time .*; write one such as 0 1 \* \* MON-FRI$/,
    ],
    [{ ...night, cron: '0 0 31 2 *' }, /window\.cron 0 0 31 2 \* says a time that never comes/],
  ]
  for (const [window, message] of cases) {
    const sim = cluster(['a'], { window })
    t.same(await changed(sim), [])
    t.match(sim.plan('p'), { progress: 'Stalled', why: { reason: 'WindowInvalid', message } })
    t.equal([...sim.reports.values()][0]?.status?.phase, undefined, 'the rollout has not ended')
    sim.apply('p', spec())
    t.same(await changed(sim), ['a'])
    sim.apply('p', spec({ rollout: { window } }))
    t.equal(sim.plan('p')?.progress, 'Stalled', 'also when there is nothing to do')
  }
})

t.test('what disrupts waits for the window; what does not, and what is under way, goes on', async (t) => {
  const window = { cron: '0 1 * * *', duration: '1h', timeZone: 'Asia/Ho_Chi_Minh' }
  const sim = cluster(['a', 'b', 'c'], { window, maxUnavailable: 3 })
  sim.actions.set('a', 'None').set('b', 'Restart')
  t.same(await changed(sim), ['a'])
  const planned = sim.plan('p')
  const message = 'b waits for its window: opens at 2026-01-02 01:00 (Asia/Ho_Chi_Minh)'
  t.match(planned, { progress: 'Reconciling', why: { reason: 'OutsideWindow', message }, decisions: [] })
  t.ok((planned?.lookAgainMilliseconds ?? 0) <= 3_600_000, 'a clock that is set is noticed within an hour')
  sim.now = new Date('2026-01-01T17:59:30Z')
  t.equal(sim.plan('p')?.lookAgainMilliseconds, 30_000)
  t.same(await changed(sim), [])
  sim.blockedDrains.add('c')
  sim.now = new Date('2026-01-01T18:59:59Z')
  t.same(await changed(sim), ['b'])
  t.ok(sim.view('c')?.unschedulable)
  sim.wait(5)
  sim.blockedDrains.clear()
  sim.drains.clear()
  t.same(await changed(sim), ['c'], 'began in the window')
  t.equal(sim.plan('p')?.progress, 'Ready')
})

t.test('restoring disrupts too and waits for the window', async (t) => {
  const sim = cluster(['a'], { window: { cron: '0 0 * * *', duration: '1h' } })
  t.same(await changed(sim), ['a'])
  sim.wait(120)
  sim.remove('p')
  t.same(await changed(sim), [])
  sim.now = new Date('2026-01-02T00:00:00Z')
  t.same(await changed(sim), ['a'])
  t.notOk(sim.profiles.has('p'))
})

t.test(
  'a disruption budget that allows nothing holds a node back before it is cordoned, and lets the next pass',
  async (t) => {
    const sim = cluster(['a', 'b'], {})
    sim.heldPods.add('a')
    t.same(await changed(sim), ['b'])
    t.notOk(sim.view('a')?.unschedulable)
    const planned = sim.plan('p')
    t.match(planned, {
      progress: 'Reconciling',
      decisions: [],
      why: { message: 'PDB shop/cart allows 0 disruptions: a' },
    })
    t.ok((planned?.lookAgainMilliseconds ?? 0) > 0, 'it is looked at again although no object changes')
    sim.heldPods.clear()
    t.same(await changed(sim), ['a'])
  },
)

t.test('pods are looked at only of nodes that could start and need a drain', async (t) => {
  const asks = (sim: SimulatedCluster): string[] => {
    sim.plan('p')
    return [...sim.asked]
  }
  const prepared = async (rollout: Rollout): Promise<SimulatedCluster> => {
    const sim = cluster(['a', 'b', 'c'], { ...rollout, paused: true })
    await sim.settle()
    sim.apply('p', spec({ rollout }))
    return sim
  }
  t.same(asks(await prepared({})), ['a'], 'as many as could start')
  t.same(asks(await prepared({ maxUnavailable: 2 })), ['a', 'b'])
  t.same(asks(await prepared({ paused: true })), [])
  t.same(asks(await prepared({ window: { cron: '0 12 * * *', duration: '1h' } })), [])
  const held = await prepared({})
  held.heldPods.add('a')
  t.same(asks(held), ['a', 'b'], 'the next one when the first is held back')
  const easy = await prepared({ maxUnavailable: 3 })
  for (const name of ['a', 'b']) easy.runtimes.get(name)!.status!.action = 'Restart'
  t.same(asks(easy), ['c'], 'a node that is not drained is nobody’s business')
})

t.test('an old answer goes on holding a node back, and is asked for once more', async (t) => {
  const candidate = { member: { node: { name: 'a' } }, stage: { action: 'DrainRestart' } } as never
  const why = { reason: 'DisruptionBudget', message: 'PDB' }
  const ask = (look?: Look) =>
    mayNotEvict(candidate, { looks: { gates: undefined, evictions: new Map(look && [['a', look]]) } })
  t.match(ask({ why, freshMilliseconds: 700 }), { why, lookAgainMilliseconds: 700, question: undefined })
  t.match(ask({ why, freshMilliseconds: 0 }), { why, question: { node: 'a', isRepeated: true } })
  t.match(ask(), { question: { node: 'a', isRepeated: false } })
  t.equal(ask({ why: undefined, freshMilliseconds: 1 }), undefined)
  t.match(
    ask({ why: undefined, freshMilliseconds: 0 }),
    { question: { isRepeated: false } },
    'nobody starts on an old yes',
  )
})

const object = { apiVersion: 'v1', kind: 'ConfigMap', namespace: 'ops', name: 'freeze' }
const gated: Rollout = { gates: [{ name: 'no-freeze', object, cel: 'object.data.on == "no"' }] }

t.test('what holds the canary back is said, not that the others wait for it', async (t) => {
  const role = 'node-role.kubernetes.io/control-plane'
  const sim = new SimulatedCluster()
  sim.addNode('cp', { labels: { [role]: '' }, isTainted: true })
  sim.addNode('w')
  sim.apply('p', spec({ rollout: { ...soak10, ...gated } }))
  sim.gateSays = { reason: 'GateClosed', message: 'Gate no-freeze holds the rollout: frozen' }
  t.same(await changed(sim), [])
  t.match(sim.plan('p')?.why, { reason: 'GateClosed' }, 'the node that joins is the canary, and comes after the worker')
})

t.test('gates hold back whatever could start, are asked only then, and let what is under way finish', async (t) => {
  const sim = cluster(['a', 'b'], { ...gated, maxUnavailable: 1 })
  sim.blockedDrains.add('a')
  t.same(await changed(sim), [])
  sim.gateSays = { reason: 'GateClosed', message: 'Gate no-freeze holds the rollout: frozen' }
  sim.blockedDrains.clear()
  sim.drains.clear()
  t.same(await changed(sim), ['a'], 'it was being drained')
  t.match(sim.plan('p'), { progress: 'Reconciling', why: { message: 'Gate no-freeze holds the rollout: frozen' } })
  t.same([...sim.asked], ['gates'], 'no pods are looked at meanwhile')
  sim.gateSays = undefined
  t.same(await changed(sim), ['b'])
  sim.plan('p')
  t.same([...sim.asked], [], 'a converged fleet asks nothing')
})

t.test('gates are asked about nodes that get back what they ran before, too', async (t) => {
  const sim = cluster(['a'], gated)
  await sim.settle()
  sim.gateSays = { reason: 'GateClosed', message: 'no' }
  sim.remove('p')
  t.same(await changed(sim), [])
  sim.gateSays = undefined
  t.same(await changed(sim), ['a'])
})

t.test('abort: what drains is given back, what is not committed goes back, what is committed stays', async (t) => {
  const sim = cluster(['a', 'b', 'c', 'd'], { maxUnavailable: 3 })
  sim.blockedDrains.add('b')
  sim.apply('p', spec({ rollout: { maxUnavailable: 3 } }))
  // a is committed, b drains, c is in its switch.
  while (sim.runtimes.get('a')?.status?.phase !== 'Committed') await turn(sim, ['a', 'b'])
  while (sim.runtimes.get('c')?.status?.phase !== 'Switching') await turn(sim, ['c'])
  sim.abort('p', true)
  const made = await sim.settle()
  t.same(
    made.flatMap((one) => (one.kind === 'GiveUp' || one.kind === 'PermitRollback' ? [`${one.kind} ${one.node}`] : [])),
    ['GiveUp b', 'PermitRollback c'],
  )
  t.same(namesOf(made), [], 'd does not start')
  for (const name of ['a', 'b', 'c', 'd']) t.notOk(sim.view(name)?.unschedulable, name)
  t.match(sim.plan('p'), {
    progress: 'Stalled',
    why: {
      reason: 'Aborted',
      message: 'The rollout was aborted: remove the annotation drydock.dev/abort of RuntimeProfile p to go on',
    },
    counts: { ready: 1, failed: 0, waiting: 3 },
    decisions: [],
  })
  t.match([...sim.reports.values()][0]?.status, {
    phase: 'Failed',
    nodes: [
      { name: 'a', result: 'Changed' },
      { name: 'b', result: 'Skipped', reason: 'Aborted' },
      { name: 'c', result: 'RolledBack', reason: 'Aborted' },
    ],
  })
  sim.abort('p', false)
  sim.blockedDrains.clear()
  t.same((await changed(sim)).sort(), ['b', 'c', 'd'], 'without a retry, and whatever the failureBudget')
  t.equal(sim.plan('p')?.progress, 'Ready')
})

t.test('abort: a switch that the node has not begun is taken back, and a lost node stays lost', async (t) => {
  const sim = cluster(['a', 'b'], { maxUnavailable: 2, failureBudget: 5 })
  sim.fates.set('b', 'Failed')
  while (sim.runtimes.get('a')?.spec?.permit !== 'Switch') await turn(sim, ['b'], { prepare: ['a'] })
  await turn(sim, ['b'])
  await turn(sim, ['b'])
  t.equal(sim.runtimes.get('a')?.status?.phase, 'Prepared')
  sim.abort('p', true)
  await sim.settle()
  t.match(sim.runtimes.get('a')?.status, { phase: 'Refused', reason: 'NothingOpen' })
  t.match(sim.plan('p')?.counts, { failed: 1, waiting: 1 })
  t.notOk(sim.view('a')?.unschedulable)
  t.ok(sim.view('b')?.unschedulable)
  sim.abort('p', false)
  t.same(await changed(sim), ['a'])
})

const tainted = { isTainted: true }

t.test(
  'a node that joins with the startup taint is changed without a cordon, and admitted when it is proven',
  async (t) => {
    const sim = cluster(['a'], {})
    await sim.settle()
    for (const name of ['b', 'c']) sim.addNode(name, tainted)
    t.equal(sim.plan('p')?.counts.unavailable, 2)
    const made = await sim.settle()
    t.same(namesOf(made), ['b', 'c'], 'more of them than maxUnavailable: none was ever in service')
    t.notOk(made.some(({ kind }) => kind === 'Cordon'))
    for (const name of ['b', 'c']) t.notOk(sim.view(name)?.startupTaint)
    t.match(sim.plan('p'), { progress: 'Ready', decisions: [], counts: { unavailable: 0 } })
  },
)

t.test('a node that joins waits for no window, and nodes in service wait for it', async (t) => {
  const window = { cron: '0 12 * * *', duration: '1h' }
  const sim = cluster(['a'], { window })
  sim.addNode('new', tainted)
  t.same(await changed(sim), ['new'])
  sim.now = new Date('2026-01-01T12:00:00Z')
  sim.addNode('slow', tainted)
  sim.fates.set('slow', 'Silent')
  t.same(await changed(sim), [])
  t.equal(says(sim), 'a waits: slow is unavailable and maxUnavailable allows 1')
})

t.test('a node that is not proven keeps its taint', async (t) => {
  for (const fate of ['Refused', 'RolledBack', 'Failed'] as const) {
    const sim = cluster([], {})
    sim.addNode('a', tainted)
    sim.fates.set('a', fate)
    await sim.settle()
    t.ok(sim.view('a')?.startupTaint, fate)
    sim.fates.clear()
    sim.retry('p', 'once')
    if (fate === 'Failed') continue
    await sim.settle()
    t.notOk(sim.view('a')?.startupTaint)
  }
})

t.test('a person’s cordon stays when the taint goes', async (t) => {
  const sim = cluster([], {})
  sim.addNode('a', tainted)
  sim.setCordon('a', true)
  t.same(await changed(sim), ['a'])
  t.match(sim.view('a'), { startupTaint: false, unschedulable: true })
})

const drift = (sim: SimulatedCluster, name: string): void => {
  sim.runtimes.get(name)!.status!.drifted = true
}
const attempts = (sim: SimulatedCluster, name: string): number => sim.runtimes.get(name)?.spec?.attempt ?? 0

t.test('drift: Repair gives a node another turn, a few times and never in a fight', async (t) => {
  const sim = cluster(['a', 'b'], {})
  const repair = (over: Partial<RuntimeProfileSpec> = {}) => sim.apply('p', spec({ drift: 'Repair', ...over }))
  repair()
  await sim.settle()
  drift(sim, 'a')
  t.same(await changed(sim), ['a'], 'the first at once')
  t.equal(sim.plan('p')?.progress, 'Ready')
  t.match([...sim.reports.values()].at(-1)?.status, { phase: 'Succeeded', nodes: [{ name: 'a' }] })
  drift(sim, 'a')
  t.same(await changed(sim), [])
  t.match(sim.plan('p'), {
    progress: 'Stalled',
    why: {
      reason: 'DriftReturned',
      message: /a has drifted.* shortly after a repair, and is repaired again at 00:05:/,
    },
  })
  sim.wait(5)
  t.same(await changed(sim), ['a'])
  drift(sim, 'a')
  sim.wait(14)
  t.same(await changed(sim), [])
  sim.wait(1)
  t.same(await changed(sim), ['a'], 'the third')
  drift(sim, 'a')
  sim.wait(24 * 60)
  t.same(await changed(sim), [])
  t.match(sim.plan('p'), {
    progress: 'Stalled',
    why: { reason: 'DriftReturns', message: /3 repairs within an hour did not last: find what changes it, then set/ },
    lookAgainMilliseconds: undefined,
  })
  drift(sim, 'b')
  t.same(await changed(sim), ['b'], 'another node is another matter')
  sim.retry('p', 'found it')
  t.same(await changed(sim), ['a'])
  drift(sim, 'a')
  t.same(await changed(sim), ['a'], 'a person’s retry begins the count anew')
})

t.test('repairs that last do not add up, and wait for their window', async (t) => {
  const sim = cluster(['a'], {})
  sim.apply('p', spec({ drift: 'Repair' }))
  await sim.settle()
  for (let times = 0; times < 5; times++) {
    sim.wait(61)
    drift(sim, 'a')
    t.same(await changed(sim), ['a'])
  }
  sim.apply('p', spec({ drift: 'Repair', rollout: { window: { cron: '0 0 * * *', duration: '1h' } } }))
  sim.wait(61)
  drift(sim, 'a')
  t.same(await changed(sim), [])
  t.match(says(sim), /^a waits for its window/)
})

t.test('verify.every proves one node after the other as it is, and nobody sees the rollout begin anew', async (t) => {
  const every = (over: Partial<RuntimeProfileSpec> = {}) => spec({ verify: { every: '6h' }, ...over })
  const sim = cluster(['a', 'b', 'c'], {})
  sim.apply('p', every())
  await sim.settle()
  const reports = sim.reports.size
  t.ok((sim.plan('p')?.lookAgainMilliseconds ?? 0) <= 3_600_000)
  for (const name of ['a', 'b', 'c']) sim.actions.set(name, 'None')
  sim.wait(5 * 60 + 59)
  t.same(await changed(sim), [])
  sim.wait(2)
  const before = sim.plan('p')
  const proven: string[] = []
  sim.watch = (_, decision) => {
    if (decision.kind === 'PermitSwitch') proven.push(decision.node)
    const { progress, why, counts } = sim.plan('p') ?? {}
    t.same({ progress, why, counts }, { progress: 'Ready', why: before?.why, counts: before?.counts })
  }
  const made = await sim.settle()
  t.same(proven, ['a', 'b', 'c'])
  t.same(
    made.map(({ kind, ...rest }) => `${kind} ${'node' in rest ? rest.node : ''}`),
    ['a', 'b', 'c'].flatMap((name) => ['Order', 'PermitSwitch', 'PermitCommit'].map((kind) => `${kind} ${name}`)),
    'one at a time, three writes each',
  )
  t.equal(sim.reports.size, reports, 'nothing has changed, so there is no report')
  t.same(await changed(sim), [])
  sim.wait(6 * 60 + 1)
  t.same(await changed(sim), ['a', 'b', 'c'])
})

t.test('a node that cannot be proven once more lets the others pass after a while, and is shown', async (t) => {
  const cases: [string, (sim: SimulatedCluster) => void, RegExp][] = [
    ['its agent is gone', (sim) => sim.fates.set('a', 'Silent'), /^a is being prepared$/],
    [
      'its machine died before its turn',
      (sim) => {
        sim.agentStep('a')
        sim.setReady('a', false)
      },
      /^a waits: its Node is not Ready$/,
    ],
    [
      'its machine died in its turn',
      (sim) => {
        sim.watch = (_, decision) =>
          decision.kind === 'PermitSwitch' && decision.node === 'a' && sim.setReady('a', false)
      },
      /^a is being switched; its Node is not Ready at the moment$/,
    ],
  ]
  for (const [name, spoil, message] of cases) {
    const sim = cluster(['a', 'b', 'c'], {})
    sim.apply('p', spec({ rollout: { maxUnavailable: 2 }, verify: { every: '1h' } }))
    await sim.settle()
    for (const node of ['a', 'b', 'c']) sim.actions.set(node, 'None')
    sim.wait(61)
    const order = sim.plan('p')?.decisions[0]
    t.match(order, { kind: 'Order', node: 'a' })
    await sim.carryOut('p', order!)
    spoil(sim)
    const made = await changed(sim)
    if (sim.plan('p')?.progress === 'Ready') {
      t.notOk(made.includes('b'), `${name}: one at a time`)
      sim.now = new Date(sim.now.getTime() + (sim.plan('p')?.lookAgainMilliseconds ?? 0))
      made.push(...(await changed(sim)))
    }
    t.same(
      made.filter((node) => node !== 'a'),
      ['b', 'c'],
      name,
    )
    t.match(sim.plan('p'), { progress: 'Reconciling', why: { message } })
    sim.watch = () => undefined
    sim.fates.clear()
    sim.setReady('a', true)
    await sim.settle()
    t.equal(sim.plan('p')?.progress, 'Ready', `${name}, and is back`)
  }
})

t.test('a node that fails its repeated proof counts as failed; the others wait for a person', async (t) => {
  const sim = cluster(['a', 'b'], {})
  sim.apply('p', spec({ verify: { every: '1h' } }))
  await sim.settle()
  for (const name of ['a', 'b']) sim.actions.set(name, 'None')
  sim.fates.set('a', 'Failed')
  sim.wait(61)
  t.same(await changed(sim), ['a'])
  t.match(sim.plan('p'), { progress: 'Stalled', why: { message: /a: neither state/ }, counts: { failed: 1 } })
  t.ok(sim.view('a')?.unschedulable, 'and is taken out of service')
})

t.test('a repeated proof waits for rollouts, windows and pauses, and finds drift that nobody reported', async (t) => {
  const verify = { every: '1h' }
  const sim = cluster(['a'], {})
  sim.apply('p', spec({ verify, rollout: { paused: true } }))
  sim.apply('p', spec({ verify }))
  await sim.settle()
  sim.wait(61)
  sim.apply('p', spec({ verify, rollout: { paused: true } }))
  t.same(
    (await sim.settle()).map(({ kind }) => kind),
    [],
  )
  sim.apply('p', spec({ verify, rollout: { window: { cron: '0 12 * * *', duration: '1h' } } }))
  t.same(
    (await sim.settle()).map(({ kind }) => kind),
    [],
  )
  t.ok((sim.plan('p')?.lookAgainMilliseconds ?? 0) > 0)
  sim.apply('p', spec({ verify }))
  t.same(await changed(sim), [], 'its agent says that it would take a drain')
  t.match(sim.plan('p'), { progress: 'Stalled', why: { reason: 'Drifted' } })
  const attempt = attempts(sim, 'a')
  sim.apply('p', spec({ verify, drift: 'Repair' }))
  t.same(await changed(sim), ['a'])
  t.equal(attempts(sim, 'a'), attempt + 1)
  t.equal(sim.plan('p')?.progress, 'Ready')
})

/** One plan carried out, and one answer of these agents; of the others only until they are prepared. */
const turn = async (sim: SimulatedCluster, agents: readonly string[], { prepare = [...sim.nodes.keys()] } = {}) => {
  for (const decision of sim.plan('p')?.decisions ?? []) await sim.carryOut('p', decision)
  for (const name of agents) sim.agentStep(name)
  for (const name of prepare) if (answerOf(sim.runtimes.get(name)!) === undefined) sim.agentStep(name)
}
