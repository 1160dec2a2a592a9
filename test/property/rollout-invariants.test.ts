import fc from 'fast-check'
import t from 'tap'
import { maxUnavailable } from '../../operator/rollout/budget.ts'
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
    }
  | { kind: 'retry'; profile: string; value: string }
  | { kind: 'remove'; profile: string }
  | { kind: 'time'; minutes: number }
  | { kind: 'gate'; node: number }
  | { kind: 'forget' }
  | { kind: 'replace'; node: number }

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
  fc.record({ kind: fc.constant('action'), node, action: fc.constantFrom<Action>('None', 'Restart', 'DrainRestart') }),
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
    }),
  },
  fc.record({ kind: fc.constant('retry'), profile, value: fc.constantFrom('1', '2', '3') }),
  fc.record({ kind: fc.constant('remove'), profile }),
  fc.record({ kind: fc.constant('time'), minutes: fc.integer({ min: 1, max: 15 }) }),
  fc.record({ kind: fc.constant('gate'), node }),
  fc.record({ kind: fc.constant('forget') }),
  fc.record({ kind: fc.constant('replace'), node }),
) as fc.Arbitrary<Step>

const nameOf = (index: number): string => (index < 4 ? `worker-${index}` : `cp-${index}`)

const start = (): SimulatedCluster => {
  const sim = new SimulatedCluster()
  for (let index = 0; index < 6; index++) addNode(sim, index)
  sim.apply('one', spec({ nodeSelector: { matchLabels: { pool: 'a' } } }))
  return sim
}

const addNode = (sim: SimulatedCluster, index: number): void =>
  sim.addNode(nameOf(index), {
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
      const { driver, limit, paused, pools } = step
      const nodeSelector = { matchExpressions: [{ key: 'pool', operator: 'In' as const, values: pools }] }
      sim.apply(
        step.profile,
        spec({ nodeSelector, cgroupDriver: driver, rollout: { maxUnavailable: limit, paused, failureBudget: 3 } }),
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
      sim.gate.clear()
      return
    case 'replace':
      sim.removeNode(nameOf(step.node))
      addNode(sim, step.node)
  }
}

/** Decisions that take a node out of service, or let its change begin. */
const disrupts = ({ kind }: Decision): boolean => kind === 'Cordon' || kind === 'BeginTurn' || kind === 'PermitSwitch'

const check = (sim: SimulatedCluster, name: string, decision: Decision): void => {
  if (!('node' in decision)) return
  const members = sim.state(name)?.members ?? []
  const member = members.find(({ node }) => node.name === decision.node)
  if (decision.kind === 'Return' && member?.node.cordon) {
    const phase = member.runtime?.status?.phase ?? ''
    if (!['Committed', 'RolledBack', 'Refused', 'Prepared'].includes(phase)) {
      throw new Error(`${decision.node} is given back while it is ${phase}`)
    }
  }
  if (selectors(sim, decision.node) > 1 && (disrupts(decision) || decision.kind === 'Order')) {
    throw new Error(`${decision.node} is selected by two profiles and gets ${decision.kind}`)
  }
}

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
  return maxUnavailable(state?.profile.spec.rollout?.maxUnavailable, state?.members.length ?? 0)
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

const operate = async (sim: SimulatedCluster, name: string, count: number): Promise<void> => {
  const allowed = allowedBy(sim, name)
  for (const decision of sim.plan(name)?.decisions.slice(0, count) ?? []) {
    const before = sim.outOfService(name).all
    const human = sim.view('node' in decision ? decision.node : '')
    check(sim, name, decision)
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
const heal = async (sim: SimulatedCluster): Promise<void> => {
  sim.fates.clear()
  sim.blockedDrains.clear()
  sim.drains.clear()
  sim.gate.clear()
  for (let index = 0; index < 6; index++) {
    sim.setReady(nameOf(index), true)
    if (!sim.view(nameOf(index))?.cordon) sim.setCordon(nameOf(index), false)
  }
  // Both may be paused, and a paused deletion waits.
  if (sim.profiles.has('two'))
    sim.apply('two', spec({ nodeSelector: { matchLabels: { pool: 'none' } }, rollout: { failureBudget: 100 } }))
  sim.retry('two', 'healed')
  sim.remove('two')
  sim.apply('one', spec({ nodeSelector: {}, rollout: { failureBudget: 100 } }))
  sim.retry('one', 'healed')
  await sim.settle()
}

const expectConverged = (sim: SimulatedCluster): void => {
  if (sim.profiles.get('one')?.metadata.deletionTimestamp) throw new Error('profile one was deleted and stays')
  if (sim.profiles.has('two')) throw new Error('profile two was deleted and stays')
  const planned = sim.plan('one')
  if (planned && planned.progress !== 'Ready') throw new Error(`ended as ${planned.progress}: ${planned.why.message}`)
  if (planned && planned.decisions.length > 0) throw new Error('a converged fleet still has decisions')
  for (const [name, { spec }] of sim.nodes) if (spec?.unschedulable) throw new Error(`${name} stays cordoned`)
  for (const { metadata, status } of sim.reports.values()) {
    if (status?.completionTime === undefined) throw new Error(`report ${metadata.name} never ends`)
  }
}

const run = async (steps: readonly Step[]): Promise<void> => {
  const sim = start()
  for (const step of steps) {
    if (step.kind === 'operator') await operate(sim, step.profile, step.count)
    else if (step.kind === 'agents') for (const name of sim.nodes.keys()) sim.agentStep(name)
    else if (step.kind === 'agent') sim.agentStep(nameOf(step.node))
    else disturb(sim, step)
  }
  await heal(sim)
  expectConverged(sim)
}

t.test('whatever happens, the invariants hold after each decision, and the rollout ends', async (t) => {
  const numRuns = Number(process.env['DRYDOCK_PROPERTY_RUNS'] ?? 300)
  await fc.assert(fc.asyncProperty(fc.array(step, { minLength: 30, maxLength: 160, size: 'max' }), run), { numRuns })
  t.pass(`${numRuns} histories`)
})
