import fc from 'fast-check'
import t from 'tap'
import { annotations } from '../../crds/protocol.ts'
import { isOpen } from '../../operator/rollout/answer.ts'
import { shareOf } from '../../operator/rollout/budget.ts'
import type { Decision } from '../../operator/rollout/types.ts'
import { type Action, type Fate, SimulatedCluster, spec } from '../simulation/rollout-cluster.ts'

/**
 * What happens to a cluster, in any order. `operator` carries out only the first `count` decisions of each plan: the
 * operator died after them, and the next plan is made from what is in the API.
 */
type Step =
  | { kind: 'operator'; profile: string; count: number }
  | { kind: 'agent'; node: number }
  | { kind: 'agents' }
  | { kind: 'fate'; node: number; fate: Fate }
  | { kind: 'action'; node: number; action: Action }
  | { kind: 'cordon'; node: number; unschedulable: boolean }
  | { kind: 'ready'; node: number; ready: boolean }
  | { kind: 'blocked'; node: number; isBlocked: boolean }
  | {
      kind: 'edit'
      profile: string
      driver: 'systemd' | 'cgroupfs'
      limit: number | string
      paused: boolean
      pools: string[]
      canary: { nodes: number | string; soak: string } | undefined
      hasWindow: boolean
      drift: 'Report' | 'Repair'
      every: string | undefined
    }
  | { kind: 'retry'; profile: string; value: string }
  | { kind: 'remove'; profile: string }
  | { kind: 'time'; minutes: number }
  | { kind: 'gate'; node: number }
  | { kind: 'forget' }
  | { kind: 'replace' | 'vanish' | 'appear'; node: number; isTainted: boolean }
  | { kind: 'abort'; profile: string; isAborted: boolean }
  | { kind: 'held'; node: number; isHeld: boolean }
  | { kind: 'gates'; hold: boolean }
  | { kind: 'drift'; node: number }

const node = fc.nat(5)
const profile = fc.constantFrom('one', 'one', 'two')
const pools = fc.subarray(['a', 'b'], { minLength: 1 })
const limit = fc.constantFrom<number | string>(1, 2, '34%', '50%')

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 24,
    arbitrary: fc.record({ kind: fc.constant('operator'), profile, count: fc.integer({ min: 1, max: 12 }) }),
  },
  { weight: 10, arbitrary: fc.record({ kind: fc.constant('agent'), node }) },
  { weight: 10, arbitrary: fc.record({ kind: fc.constant('agents') }) },
  fc.record({
    kind: fc.constant('fate'),
    node,
    fate: fc.constantFrom<Fate>('Committed', 'Refused', 'RolledBack', 'Failed', 'Silent'),
  }),
  fc.record({
    kind: fc.constant('action'),
    node,
    action: fc.constantFrom<Action>('None', 'Restart', 'DrainRestart', 'DrainSwitch'),
  }),
  fc.record({ kind: fc.constant('cordon'), node, unschedulable: fc.boolean() }),
  fc.record({ kind: fc.constant('ready'), node, ready: fc.boolean() }),
  fc.record({ kind: fc.constant('blocked'), node, isBlocked: fc.boolean() }),
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('edit'),
      profile,
      driver: fc.constantFrom('systemd', 'cgroupfs'),
      limit,
      paused: fc.boolean(),
      pools,
      canary: fc.option(
        fc.record({ nodes: fc.constantFrom<number | string>(1, 2, '50%'), soak: fc.constantFrom('5m', '20m') }),
        {
          nil: undefined,
        },
      ),
      hasWindow: fc.boolean(),
      drift: fc.constantFrom('Report', 'Repair'),
      every: fc.option(fc.constantFrom('10m', '30m'), { nil: undefined }),
    }),
  },
  fc.record({ kind: fc.constant('retry'), profile, value: fc.constantFrom('1', '2', '3') }),
  fc.record({ kind: fc.constant('remove'), profile }),
  fc.record({ kind: fc.constant('time'), minutes: fc.integer({ min: 1, max: 15 }) }),
  fc.record({ kind: fc.constant('gate'), node }),
  fc.record({ kind: fc.constant('forget') }),
  fc.record({ kind: fc.constantFrom('replace', 'vanish', 'appear'), node, isTainted: fc.boolean() }),
  fc.record({ kind: fc.constant('abort'), profile, isAborted: fc.boolean() }),
  fc.record({ kind: fc.constant('held'), node, isHeld: fc.boolean() }),
  fc.record({ kind: fc.constant('gates'), hold: fc.boolean() }),
  fc.record({ kind: fc.constant('drift'), node }),
) as fc.Arbitrary<Step>

const nameOf = (index: number): string => (index < 4 ? `worker-${index}` : `cp-${index}`)

/** Around two changes of the clock in Berlin, and a time without one. */
const beginning = fc.constantFrom('2026-01-01T00:00:00Z', '2026-03-29T00:20:00Z', '2026-10-25T00:10:00Z')
const window = { cron: '30 2 * * *', duration: '40m', timeZone: 'Europe/Berlin' }

const start = (beginning: string): SimulatedCluster => {
  const sim = new SimulatedCluster()
  sim.now = new Date(beginning)
  for (let index = 0; index < 6; index++) addNode(sim, index)
  sim.apply('one', spec({ nodeSelector: { matchLabels: { pool: 'a' } } }))
  return sim
}

const addNode = (sim: SimulatedCluster, index: number, isTainted = false): void =>
  sim.addNode(nameOf(index), {
    isTainted,
    labels: { pool: index % 2 === 0 ? 'a' : 'b', ...(index >= 4 && { 'node-role.kubernetes.io/control-plane': '' }) },
  })

const disturb = (sim: SimulatedCluster, step: Step): void => {
  switch (step.kind) {
    case 'fate':
      sim.fates.set(nameOf(step.node), step.fate)
      return
    case 'action':
      sim.actions.set(nameOf(step.node), step.action)
      return
    case 'cordon':
      sim.setCordon(nameOf(step.node), step.unschedulable)
      return
    case 'ready':
      sim.setReady(nameOf(step.node), step.ready)
      return
    case 'blocked':
      if (step.isBlocked) sim.blockedDrains.add(nameOf(step.node))
      else sim.blockedDrains.delete(nameOf(step.node))
      sim.drains.delete(nameOf(step.node))
      return
    case 'edit': {
      const { driver, limit, paused, pools, canary, hasWindow, drift, every } = step
      const gates = [{ name: 'calm', object: { apiVersion: 'v1', kind: 'ConfigMap', name: 'calm' }, cel: 'true' }]
      const conditions = { gates, ...(canary && { canary }), ...(hasWindow && { window }) }
      const nodeSelector = { matchExpressions: [{ key: 'pool', operator: 'In' as const, values: pools }] }
      sim.apply(
        step.profile,
        spec({
          nodeSelector,
          cgroupDriver: driver,
          drift,
          ...(every && { verify: { every } }),
          rollout: { maxUnavailable: limit, paused, failureBudget: 3, ...conditions },
        }),
      )
      return
    }
    case 'retry':
      sim.retry(step.profile, step.value)
      return
    case 'remove':
      sim.remove(step.profile)
      return
    case 'time':
      sim.now = new Date(sim.now.getTime() + step.minutes * 60_000)
      return
    case 'gate':
      sim.gate.set(nameOf(step.node), 130_000)
      return
    case 'forget':
      sim.drains.clear()
      sim.drainStarts.clear()
      sim.gate.clear()
      return
    case 'vanish':
      sim.removeNode(nameOf(step.node))
      return
    case 'appear':
      if (!sim.nodes.has(nameOf(step.node))) addNode(sim, step.node, step.isTainted)
      return
    case 'replace':
      sim.removeNode(nameOf(step.node))
      addNode(sim, step.node, step.isTainted)
      return
    case 'abort':
      sim.abort(step.profile, step.isAborted)
      return
    case 'held':
      if (step.isHeld) sim.heldPods.add(nameOf(step.node))
      else sim.heldPods.delete(nameOf(step.node))
      return
    case 'drift': {
      const { status } = sim.runtimes.get(nameOf(step.node)) ?? {}
      if (status?.phase === 'Committed') status.drifted = true
      return
    }
    case 'gates':
      sim.gateSays = step.hold ? undefined : { reason: 'GateClosed', message: 'not now' }
  }
}

/** Decisions that take a node out of service, or let its change begin. */
const disrupts = ({ kind }: Decision): boolean => kind === 'Cordon' || kind === 'BeginTurn' || kind === 'PermitSwitch'

const check = (sim: SimulatedCluster, name: string, decision: Decision): void => {
  if (!('node' in decision)) return
  if (isAborted(sim, name) && (decision.kind === 'PermitSwitch' || decision.kind === 'BeginTurn')) {
    throw new Error(`${decision.node} gets ${decision.kind} although the rollout was aborted`)
  }
  const members = sim.state(name)?.members ?? []
  const member = members.find(({ node }) => node.name === decision.node)
  if (decision.kind === 'Return' && member?.node.cordon) {
    const phase = member.runtime?.status?.phase ?? ''
    if (!['Committed', 'RolledBack', 'Refused', 'Prepared'].includes(phase)) {
      throw new Error(`${decision.node} is given back while it is ${phase}`)
    }
  }
  if (decision.kind === 'Return' && decision.admits && member?.runtime?.status?.phase !== 'Committed') {
    throw new Error(`${decision.node} may take pods and is not proven`)
  }
  if (selectors(sim, decision.node) > 1 && (disrupts(decision) || decision.kind === 'Order')) {
    throw new Error(`${decision.node} is selected by two profiles and gets ${decision.kind}`)
  }
}

const isAborted = (sim: SimulatedCluster, name: string): boolean =>
  sim.profiles.get(name)?.metadata.annotations?.[annotations.abort] !== undefined

/** How many profiles select the node, counted here anew: what is under test must not be its own witness. */
const selectors = (sim: SimulatedCluster, node: string): number =>
  [...sim.profiles.values()].filter(({ metadata, spec }) => {
    const pools = spec.nodeSelector.matchExpressions?.[0]?.values
    const pool = spec.nodeSelector.matchLabels?.['pool']
    const own = sim.nodes.get(node)?.metadata.labels?.['pool'] ?? ''
    return !metadata.deletionTimestamp && (pools?.includes(own) ?? (pool === undefined || pool === own))
  }).length

const allowedBy = (sim: SimulatedCluster, name: string): number => {
  const state = sim.state(name)
  return shareOf(state?.profile.spec.rollout?.maxUnavailable, state?.members.length ?? 0)
}

/** The number of nodes out of service must not grow beyond the limit by a decision of ours. */
const checkBudget = (before: readonly string[], after: readonly string[], allowed: number): void => {
  if (after.length <= before.length || after.length <= allowed) return
  throw new Error(`${after.join(', ')} are out of service, ${allowed} may be`)
}

const checkControlPlane = (sim: SimulatedCluster, decision: Decision): void => {
  if (!disrupts(decision) || !('node' in decision) || !decision.node.startsWith('cp-')) return
  const ours = new Set([...sim.profiles.keys()].flatMap((one) => sim.outOfService(one).ours))
  const control = [...ours].filter((one) => one.startsWith('cp-'))
  if (control.length > 1) throw new Error(`control-plane nodes ${control.join(', ')} are out of service together`)
}

const berlin = new Intl.DateTimeFormat('sv-SE', { timeZone: 'Europe/Berlin', dateStyle: 'short', timeStyle: 'short' })
const minuteMs = 60_000

/** In this minute the clock of Berlin reaches or jumps over 02:30, for the first time of its day. */
const opens = (ms: number): boolean => reaches(ms) && !reaches(ms - 60 * minuteMs)
const reaches = (ms: number): boolean => hourOf(ms) >= '02:30' && hourOf(ms - minuteMs) < '02:30'
const hourOf = (ms: number): string => berlin.format(ms).slice(11)

const isWindowOpen = (now: Date): boolean => {
  const minute = Math.floor(now.getTime() / minuteMs) * minuteMs
  return Array.from({ length: 40 }, (_, ago) => minute - ago * minuteMs).some(opens)
}

const checkWindow = (sim: SimulatedCluster, name: string, node: string): void => {
  if (!sim.profiles.get(name)?.spec.rollout?.window || isWindowOpen(sim.now)) return
  if (sim.runtimes.get(node)?.status?.action === 'None' || sim.view(node)?.startupTaint) return
  throw new Error(`${node} starts at ${sim.now.toISOString()}, outside the window`)
}

/** When nodes began their turns and were let commit, as seen from outside. */
class Turns {
  readonly #turns = new Map<string, { order: string; start: Date; commit?: Date }>()
  /** Nodes that are only proven once more: their turn is that of the change before. */
  readonly #proofs = new Set<string>()

  note({ now, runtimes }: SimulatedCluster, decision: Decision): void {
    if (!('node' in decision)) return
    const { revision, attempt, permit } = runtimes.get(decision.node)?.spec ?? {}
    const order = `${revision}/${attempt}`
    // Given back before its switch: it had no turn. And whatever it had, a new order is another one.
    const isProof = decision.kind === 'Order' && decision.order.report === undefined
    if (isProof) this.#proofs.add(decision.node)
    else if (decision.kind === 'Order' || (decision.kind === 'Return' && permit === 'Prepare'))
      this.forget(decision.node)
    const known = this.#turns.get(decision.node)
    if (this.#proofs.has(decision.node)) {
      if (disrupts(decision) && known) known.order = order
      return
    }
    if (disrupts(decision) && known?.order !== order) this.#turns.set(decision.node, { order, start: now })
    if (decision.kind === 'PermitCommit' && known) known.commit = now
  }

  forget(node: string): void {
    this.#turns.delete(node)
    this.#proofs.delete(node)
  }

  /** The decision takes a node out of service that is not ours yet. */
  begins({ runtimes, nodes }: SimulatedCluster, decision: Decision): decision is Extract<Decision, { node: string }> {
    if (!disrupts(decision) || !('node' in decision)) return false
    const { revision, attempt } = runtimes.get(decision.node)?.spec ?? {}
    const isOurs = nodes.get(decision.node)?.metadata.annotations?.[annotations.cordonedBy] !== undefined
    return !isOurs && this.#turns.get(decision.node)?.order !== `${revision}/${attempt}`
  }

  checkCanaries(sim: SimulatedCluster, name: string, node: string): void {
    const { canary } = sim.profiles.get(name)?.spec.rollout ?? {}
    const members = sim.state(name)?.members.filter(({ intent }) => intent.kind === 'target') ?? []
    const own = members.find((member) => member.node.name === node)?.runtime?.spec
    if (!canary || !own) return
    const begun = members.flatMap(({ node, runtime }) => {
      const turn = this.#turns.get(node.name)
      const { revision, attempt } = runtime?.spec ?? {}
      const isOwn = turn?.order === `${own.revision}/${attempt}` || this.#proofs.has(node.name)
      const isSame = revision === own.revision && isOwn
      return turn && isSame ? [{ ...turn, name: node.name }] : []
    })
    const wanted = shareOf(canary.nodes, members.length)
    if (begun.some((turn) => turn.name === node) || begun.length < wanted) return
    const soakMs = Number.parseInt(canary.soak, 10) * minuteMs
    const soaked = begun.filter(({ commit }) => commit && sim.now.getTime() - commit.getTime() >= soakMs)
    if (soaked.length >= wanted) return
    throw new Error(`${node} starts after ${soaked.length} of ${wanted} canaries have soaked`)
  }
}

const checkBeginning = (sim: SimulatedCluster, turns: Turns, name: string, decision: Decision): void => {
  if (turns.begins(sim, decision)) {
    checkWindow(sim, name, decision.node)
    checkLooks(sim, name, decision.node)
    turns.checkCanaries(sim, name, decision.node)
  }
  turns.note(sim, decision)
}

/** What speaks against a start and is found out only then. */
const checkLooks = (sim: SimulatedCluster, name: string, node: string): void => {
  if (sim.profiles.get(name)?.spec.rollout?.gates && sim.gateSays) throw new Error(`${node} starts past a closed gate`)
  if (sim.runtimes.get(node)?.status?.action?.startsWith('Drain') && sim.heldPods.has(node)) {
    throw new Error(`${node} starts although a disruption budget holds its pods`)
  }
}

const operate = async (
  sim: SimulatedCluster,
  turns: Turns,
  { profile: name, count }: Extract<Step, { kind: 'operator' }>,
): Promise<void> => {
  const allowed = allowedBy(sim, name)
  for (const decision of sim.plan(name)?.decisions.slice(0, count) ?? []) {
    const before = sim.outOfService(name).all
    const human = sim.view('node' in decision ? decision.node : '')
    check(sim, name, decision)
    checkBeginning(sim, turns, name, decision)
    await sim.carryOut(name, decision)
    if (disrupts(decision)) checkBudget(before, sim.outOfService(name).all, allowed)
    checkControlPlane(sim, decision)
    if (human?.unschedulable && !human.cordon && decision.kind === 'Return' && !sim.view(human.name)?.unschedulable) {
      throw new Error(`${human.name} was uncordoned, and somebody else had cordoned it`)
    }
  }
  sim.forgetDrains()
}

/** Everything that disturbs has ended: what is left must come to its end, and to the wanted one. */
const heal = async (sim: SimulatedCluster, turns: Turns): Promise<void> => {
  sim.watch = (name, decision) => checkBeginning(sim, turns, name, decision)
  sim.fates.clear()
  sim.blockedDrains.clear()
  sim.heldPods.clear()
  sim.gateSays = undefined
  sim.drains.clear()
  sim.drainStarts.clear()
  sim.gate.clear()
  for (let index = 0; index < 6; index++) {
    sim.setReady(nameOf(index), true)
    if (!sim.view(nameOf(index))?.cordon) sim.setCordon(nameOf(index), false)
  }
  await expectAborted(sim)
  // Both may be paused, and a paused deletion waits.
  if (sim.profiles.has('two'))
    sim.apply('two', spec({ nodeSelector: { matchLabels: { pool: 'none' } }, rollout: { failureBudget: 100 } }))
  sim.retry('two', 'healed')
  sim.remove('two')
  const rollout = { failureBudget: 100, canary: { nodes: 2, soak: '20m' } }
  sim.apply('one', spec({ nodeSelector: {}, rollout }))
  sim.retry('one', 'healed')
  for (let waits = 0; waits < 200; waits++) {
    await sim.settle()
    const wakeMs = sim.plan('one')?.lookAgainMilliseconds
    if (wakeMs === undefined) return
    sim.now = new Date(sim.now.getTime() + wakeMs - 1)
    await sim.settle()
    sim.now = new Date(sim.now.getTime() + 1)
  }
}

/** An abort leaves no node out of service but those that are lost, and none in the middle of a change. */
const expectAborted = async (sim: SimulatedCluster): Promise<void> => {
  const names = [...sim.profiles.keys()]
  for (const name of names) sim.abort(name, true)
  await sim.settle()
  for (const [name, runtime] of sim.runtimes) {
    const isLost = runtime.status?.phase === 'Failed'
    if (sim.view(name)?.cordon && !isLost) throw new Error(`${name} is cordoned after an abort`)
    if (isOpen(runtime)) throw new Error(`${name} is in the middle of a change after an abort`)
  }
  for (const name of names) sim.abort(name, false)
}

const expectConverged = (sim: SimulatedCluster): void => {
  if (sim.profiles.get('one')?.metadata.deletionTimestamp) throw new Error('profile one was deleted and stays')
  if (sim.profiles.has('two')) throw new Error('profile two was deleted and stays')
  const planned = sim.plan('one')
  if (planned && planned.progress !== 'Ready') throw new Error(`ended as ${planned.progress}: ${planned.why.message}`)
  if (planned && planned.decisions.length > 0) throw new Error('a converged fleet still has decisions')
  for (const [name, { spec }] of sim.nodes)
    if (spec?.unschedulable || spec?.taints) throw new Error(`${name} stays out of service`)
  for (const { metadata, status } of sim.reports.values()) {
    if (status?.completionTime === undefined) throw new Error(`report ${metadata.name} never ends`)
  }
}

const run = async (beginning: string, steps: readonly Step[]): Promise<void> => {
  const sim = start(beginning)
  const turns = new Turns()
  for (const step of steps) {
    if (step.kind === 'operator') await operate(sim, turns, step)
    else if (step.kind === 'agents') for (const name of sim.nodes.keys()) sim.agentStep(name)
    else if (step.kind === 'agent') sim.agentStep(nameOf(step.node))
    else disturb(sim, step)
    if (step.kind === 'replace' || step.kind === 'vanish') turns.forget(nameOf(step.node))
  }
  await heal(sim, turns)
  expectConverged(sim)
}

t.test('whatever happens, the invariants hold after each decision, and the rollout ends', async (t) => {
  const numRuns = Number(process.env['DRYDOCK_PROPERTY_RUNS'] ?? 300)
  const steps = fc.array(step, { minLength: 30, maxLength: 160, size: 'max' })
  await fc.assert(fc.asyncProperty(beginning, steps, run), { numRuns })
  t.pass(`${numRuns} histories`)
})
