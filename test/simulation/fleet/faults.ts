/** How each fault of a script happens in a fleet, and how all of them end. */
import { annotations } from '../../../crds/protocol.ts'
import type { RuntimeProfileSpec } from '../../../crds/types.gen.ts'
import type { Stored } from './api.ts'
import { type Fleet, type FleetNode, person, specOf } from './fleet.ts'
import type { Trouble } from './machine.ts'
import type { Link } from './network.ts'
import { windowSpec } from './pace.ts'
import { disturbedUntilMs, type Edit, type Fault } from './script.ts'

export function disturb(fleet: Fleet, fault: Fault): void {
  const { schedule } = fleet
  const { nowMs } = schedule
  const untilMs = 'forMs' in fault ? Math.min(nowMs + fault.forMs, disturbedUntilMs) : nowMs
  switch (fault.kind) {
    case 'operator dies':
    case 'operator pauses':
      disturbOperator(fleet, fault, untilMs)
      return
    case 'partition':
      partition(linkOf(fleet, fault.of), fault.way, untilMs)
      return
    case 'lag':
      Object.assign(linkOf(fleet, fault.of), { lagMs: fault.lagMs, lagUntilMs: untilMs })
      return
    case 'watches break': {
      const process = processOf(fleet, fault.of)
      if (fault.compact) fleet.api.compacted = fleet.api.version
      if (process) fleet.breakWatches(process)
      return
    }
    case 'API away':
      fleet.server.downUntilMs = untilMs
      return
    case 'API overloaded':
      fleet.server.overloadedUntilMs = untilMs
      return
    case 'edit':
      edit(fleet, fault.profile, fault.change)
      return
    case 'gate':
      if (fleet.script.pace.gate) fleet.setGate(fault.open ?? undefined)
      return
    case 'clock':
      fleet.nodes[fault.of]!.machine.time.skewMs += fault.byMs
      return
    default:
      disturbNode(fleet, fleet.nodes[fault.node]!, fault, untilMs)
      return
  }
}

type OperatorFault = Extract<Fault, { kind: 'operator dies' | 'operator pauses' }>

function disturbOperator(fleet: Fleet, fault: OperatorFault, untilMs: number): void {
  const replica = fleet.replicas[fault.replica]!
  if (fault.kind === 'operator dies') {
    if (fault.writes > 0) Object.assign(replica, { diesIn: fault.writes, downMs: fault.downMs })
    else if (replica.process.alive) fleet.stopOperator(replica, fault.downMs)
    return
  }
  if (fault.writes > 0) Object.assign(replica, { pausesIn: fault.writes, pauseMs: fault.forMs })
  else replica.process.pausedUntilMs = Math.max(replica.process.pausedUntilMs, untilMs)
}

type NodeFault = Extract<Fault, { node: number }>

function disturbNode(fleet: Fleet, node: FleetNode, fault: NodeFault, untilMs: number): void {
  const { machine } = node
  switch (fault.kind) {
    case 'courier dies':
      node.courier.alive = false
      return
    case 'engine dies':
      machine.crashIn = fault.writes
      return
    case 'power cut':
      node.courier.alive = false
      machine.powerCut(untilMs - fleet.schedule.nowMs)
      return
    case 'trouble':
      machine.trouble(fault.trouble as Trouble, untilMs)
      return
    case 'budget':
      node.budgetUntilMs = untilMs
      return
    case 'kubelet away':
      node.awayUntilMs = untilMs
      return
    case 'cordon':
    case 'uncordon':
      setCordon(fleet, node.plan.name, fault.kind === 'cordon')
      return
    case 'node':
      exchange(fleet, node, fault.becomes)
      return
    case 'drift':
      drift(fleet, node, fault)
      return
    case 'old order':
      repeatOrder(node, fault.which)
      return
    default:
      fault satisfies never
      return
  }
}

/** Time and again, and its courier looks at the files soon after: it would do so within ten minutes. */
function drift(fleet: Fleet, node: FleetNode, { times, everyMs }: Extract<Fault, { kind: 'drift' }>): void {
  for (let time = 0; time < times; time++) {
    fleet.schedule.after(time * everyMs, undefined, () => {
      if (fleet.schedule.nowMs > disturbedUntilMs) return
      node.hasDrifted = true
      node.machine.drift()
    })
    fleet.schedule.after(time * everyMs + 2_000, undefined, () => {
      node.courier.alive = false
    })
  }
}

/** Of a leader before: it stayed on the way for long. */
function repeatOrder({ machine }: FleetNode, which: number): void {
  const old = machine.past.filter(({ fence }) => (fence ?? 0) < machine.fence)
  const order = old[which % Math.max(1, old.length)]
  if (!order || !machine.engine) return
  try {
    machine.put(machine.engine, order)
  } catch {
    // That is what fences are for.
  }
}

export function setCordon(fleet: Fleet, name: string, unschedulable: boolean): void {
  if (!fleet.api.get('nodes', name)) return
  fleet.api.update(person, 'nodes', { name }, ({ spec }) => {
    const { unschedulable: _, ...others } = spec ?? {}
    return { spec: unschedulable ? { ...others, unschedulable } : others }
  })
}

function exchange(fleet: Fleet, node: FleetNode, becomes: Extract<Fault, { kind: 'node' }>['becomes']): void {
  const { name } = node.plan
  if (becomes === 'back') {
    if (node.isGone) renew(fleet, node)
    return
  }
  if (node.isGone) return
  fleet.api.remove(person, 'nodes', name)
  for (const pod of fleet.api.list('pods')) {
    if (pod.spec?.['nodeName'] === name)
      fleet.api.remove({ by: 'cluster', process: 'cluster' }, 'pods', pod.metadata.name)
  }
  if (becomes === 'registered anew') {
    node.isForgotten = true
    return
  }
  node.machine.process.alive = false
  node.courier.alive = false
  node.machine.isUp = false
  node.isGone = true
  if (becomes === 'replaced') fleet.schedule.after(4_000 + fleet.random() * 20_000, undefined, () => renew(fleet, node))
}

function renew(fleet: Fleet, node: FleetNode): void {
  if (!node.isGone) return
  node.isGone = false
  node.machine = fleet.newMachine(node.plan)
  fleet.kubeletTick(node)
}

function linkOf(fleet: Fleet, actor: string): Link {
  const [kind, index] = actor.split('-') as [string, string]
  if (kind === 'operator') return fleet.replicas[Number(index)]!.link
  const node = fleet.nodes[Number(index)]!
  return kind === 'courier' ? node.courierLink : node.kubelet
}

function processOf(fleet: Fleet, actor: string) {
  const [kind, index] = actor.split('-') as [string, string]
  if (kind === 'operator') return fleet.replicas[Number(index)]!.process
  return kind === 'courier' ? fleet.nodes[Number(index)]!.courier : undefined
}

function partition(link: Link, way: 'out' | 'in' | 'both', untilMs: number): void {
  if (way !== 'in') link.requestsLostUntilMs = untilMs
  if (way !== 'out') link.answersLostUntilMs = untilMs
}

export function editProfile(
  fleet: Fleet,
  name: string,
  change: (object: Stored & { spec: RuntimeProfileSpec }) => { spec?: object; annotations?: Record<string, string> },
): void {
  if (!fleet.api.get('runtimeprofiles', name)) return
  fleet.api.update(person, 'runtimeprofiles', { name }, (before) => {
    const { spec, annotations } = change(before as Stored & { spec: RuntimeProfileSpec })
    return {
      ...(spec && { spec: spec as Record<string, unknown> }),
      metadata: { ...before.metadata, ...(annotations && { annotations }) },
    }
  })
}

function edit(fleet: Fleet, name: string, change: Edit): void {
  if (change === 'delete') {
    fleet.api.remove(person, 'runtimeprofiles', name)
    return
  }
  if ('create' in change) {
    fleet.createProfile(name, change.create, change.pools)
    return
  }
  editProfile(fleet, name, ({ spec }) => {
    if ('target' in change) {
      const { cgroupDriver, handlers } = specOf(change.target, [], fleet.script)
      return { spec: { ...spec, cgroupDriver, handlers } }
    }
    if ('pools' in change)
      return { spec: { ...spec, nodeSelector: specOf(0, change.pools, fleet.script).nodeSelector } }
    if ('retry' in change) return { annotations: { [annotations.retry]: change.retry } }
    if ('abort' in change) return { annotations: change.abort ? { [annotations.abort]: 'yes' } : {} }
    return { spec: { ...spec, rollout: rolloutAfter(spec.rollout, change) } }
  })
}

type RolloutEdit = Extract<Edit, { limit: unknown } | { paused: unknown } | { canary: unknown } | { window: unknown }>

function rolloutAfter(before: RuntimeProfileSpec['rollout'], change: RolloutEdit): RuntimeProfileSpec['rollout'] {
  if ('limit' in change) return { ...before, maxUnavailable: change.limit }
  if ('paused' in change) return { ...before, paused: change.paused }
  if ('canary' in change) {
    const { canary: _, ...rest } = before ?? {}
    return { ...rest, ...(change.canary && { canary: change.canary }) }
  }
  const { window: _, ...rest } = before ?? {}
  return { ...rest, ...(change.window && { window: windowSpec(change.window) }) }
}

/** What disturbs has ended; what people decided stays. */
export function calm(fleet: Fleet): void {
  const { server, nodes, replicas } = fleet
  server.downUntilMs = 0
  server.overloadedUntilMs = 0
  for (const replica of replicas) Object.assign(replica, { diesIn: 0, pausesIn: 0 })
  for (const node of nodes) {
    node.machine.crashIn = 0
    node.machine.troubles.clear()
    node.budgetUntilMs = 0
    node.awayUntilMs = 0
    if (node.hasDrifted) node.courier.alive = false
  }
}

/** People put right what they did, and ask for what failed once more. */
export function putRight(fleet: Fleet): void {
  if (fleet.script.pace.gate) fleet.setGate(true)
  for (const { metadata, spec } of fleet.api.list('nodes')) {
    if (spec?.['unschedulable'] && !metadata.annotations?.[annotations.cordonedBy])
      setCordon(fleet, metadata.name, false)
  }
  const failureBudget = 100
  for (const { metadata } of fleet.api.list('runtimeprofiles')) {
    editProfile(fleet, metadata.name, ({ spec }) => ({
      spec: { ...spec, rollout: { ...spec.rollout, paused: false, failureBudget } },
      annotations: { [annotations.retry]: 'put right' },
    }))
  }
  if (fleet.api.get('runtimeprofiles', 'one')) fleet.api.remove(person, 'runtimeprofiles', 'two')
}
