/** What must hold after every event. It looks at the cluster from outside: nothing of the planner is its own witness. */
import { annotations, finalizer, labels, originalRevision, reasons } from '../../../crds/protocol.ts'
import type { NodeRuntime, RuntimeProfile } from '../../../crds/types.gen.ts'
import type { Order } from '../../../node-agent/journal/records.ts'
import { revisionOf, targetOf } from '../../../operator/rollout/revision.ts'
import type { Stored, Who, Written } from './api.ts'
import { type Fleet, readyOf, type Watcher } from './fleet.ts'
import { engineFile, kubeletFile, type Machine } from './machine.ts'
import { isGuarded } from './network.ts'
import { courierTrespass, trespass } from './ownership.ts'
import { answerMs, Pacing } from './pacing.ts'
import { Since } from './since.ts'
import { hasBegun, isOpen, isTainted, isTaken, markOf, phaseOf } from './taken.ts'

/** By their names, as a failing seed shows them. */
export const invariants = {
  budget: 'no more nodes are out of service than maxUnavailable allows, whoever took the others out',
  'control plane': 'nodes of the control plane go out of service one at a time',
  'foreign cordon': 'a cordon of somebody else stays',
  'uncordon unproven': 'a node takes pods again only when it is wholly in one state, and proven',
  'in between': 'a change ends in the former state or in the new one, proven, never between',
  'unproven boot': 'a machine boots with what was proven',
  'other node': 'an order is for one Node on one machine, and nothing is done on another',
  conflict: 'a node that two profiles select stays as it is',
  'failure budget': 'nothing starts once failureBudget nodes have failed',
  pause: 'nothing starts while the rollout is paused',
  window: 'nothing that disrupts starts outside the window',
  'closed gate': 'nothing starts while a gate does not hold',
  'disruption budget': 'no node is cordoned while a disruption budget holds a pod of it',
  repair: 'what has drifted is brought back only when that is wanted, and after a pause when it drifts again',
  canary: 'the rest waits until the canaries have soaked',
  abort: 'nothing starts once the rollout was aborted',
  fence: 'an order of a former leader is not accepted',
  leader: 'an operator writes only while it has the lease',
  gate: 'a node commits when its Node has reported since the proof',
  drain: 'no pod is left on a node that is switched under it',
  attempt: 'no order is given twice, so that no old answer passes for its answer',
  finalizer: 'a profile stays until its nodes are what they were',
  'own object': 'each program writes its own part of objects that have to do with it, and nothing else',
  idle: 'a fleet that has converged costs no write',
  liveness: 'every rollout ends, or says truly what it waits for; when people have put things right, all is as wanted',
} as const

export type Invariant = keyof typeof invariants

export class Violation extends Error {
  override readonly name = 'Violation'
  readonly invariant: Invariant

  constructor(invariant: Invariant, message: string) {
    super(message)
    this.invariant = invariant
  }
}

/** What others did so recently counts neither way: no controller can know it yet. */
const knownMs = 2_000
/** The same while, and until so long after, the way between a controller and the API is disturbed. */
const roughMs = 60_000
/** Five minutes, by clocks of two operators that are twenty seconds apart. */
const repairPauseMs = 275_000

/** Something that happened. */
export interface Entry {
  readonly atMs: number
  readonly who: string
  /** Put into words only for whoever reads it: most runs are read by nobody. */
  readonly what: () => string
}

interface Limit {
  readonly sinceMs: number
  readonly spec: RuntimeProfile['spec']
}

export class Invariants implements Watcher {
  fleet!: Fleet
  /** Until when what happens may be known late. */
  roughUntilMs = Number.NEGATIVE_INFINITY
  violation: Violation | undefined
  /** Writes that Drydock asked for, but for leases and events. */
  requests = 0
  lastRequestMs = 0
  readonly trace: Entry[] = []
  readonly #out = new Since()
  readonly #failed = new Since()
  readonly #conflict = new Since()
  readonly #aborted = new Since()
  readonly #selected = new Since()
  readonly #guarded = new Since()
  readonly #pacing = new Pacing((invariant, message) => this.#fail(invariant, message))
  readonly #settings = new Map<string, Limit[]>()
  #membersChangedMs = 0
  readonly #answered = new Map<string, Set<string>>()

  note(who: string, what: Entry['what']): void {
    this.trace.push({ atMs: this.fleet.schedule.nowMs, who, what })
  }

  /** What happened before is known to every controller. */
  get #known(): number {
    const { nowMs } = this.fleet.schedule
    return nowMs - (nowMs < this.roughUntilMs + roughMs ? roughMs : knownMs)
  }

  #fail(invariant: Invariant, message: string): void {
    this.violation ??= new Violation(invariant, message)
  }

  seen(): void {}

  requested({ by, process }: Who, plural: string): void {
    if (plural === 'leases') return
    if (by === 'operator') this.#leads(process, plural)
    this.requests++
    this.lastRequestMs = this.fleet.schedule.nowMs
  }

  told(): void {}

  #leads(operator: string, plural: string): void {
    const holder = this.fleet.api.get('leases', 'drydock')?.spec?.['holderIdentity']
    if (typeof holder === 'string' && holder.startsWith(`${operator}/`)) return
    this.#fail('leader', `${operator} writes ${plural}, and the lease is that of ${holder ?? 'nobody'}`)
  }

  written(written: Written): void {
    const { plural, by, process, before, after } = written
    if (plural === 'leases' || plural === 'pods') return
    this.#observe(written)
    const wrong = by === 'courier' ? courierTrespass(written) : by === 'operator' ? trespass(written) : undefined
    if (wrong) this.#fail('own object', `${by} ${process} ${wrong}`)
    if (by !== 'cluster' || plural === 'nodes') this.note(process, () => describe(written))
    if (by !== 'operator') return
    if (plural === 'nodes') this.#nodeWritten(process, before, after)
    if (plural === 'noderuntimes')
      this.#orderWritten(process, before as NodeRuntime | undefined, after as NodeRuntime | undefined)
    if (plural === 'runtimeprofiles') this.#profileWritten(before, after)
  }

  // --- what is known of the cluster

  #observe({ plural, before, after }: Written): void {
    const { nowMs } = this.fleet.schedule
    const { name } = (after ?? before)!.metadata
    if (plural === 'runtimeprofiles') this.#observeProfile(name, after, nowMs)
    if (plural === 'nodes') this.#observeNode(name, before, after)
    if (plural === 'configmaps') this.#pacing.gated(after?.spec?.['open'] === true, nowMs)
    if (plural === 'poddisruptionbudgets') this.#guarded.set(name, after?.status?.['disruptionsAllowed'] === 0, nowMs)
    if (plural !== 'noderuntimes') return
    const profileOf = (object: Stored | undefined): unknown => object?.spec?.['profile']
    if (profileOf(before) !== profileOf(after)) this.#membersChangedMs = nowMs
    this.#failed.set(name, after !== undefined && isFailed(after as unknown as NodeRuntime), nowMs)
  }

  #observeProfile(name: string, after: Stored | undefined, nowMs: number): void {
    this.#aborted.set(name, after?.metadata.annotations?.[annotations.abort] !== undefined, nowMs)
    const history = this.#settings.get(name) ?? []
    if (after && history.at(-1)?.spec !== (after.spec as object)) {
      history.push({ sinceMs: nowMs, spec: after.spec as unknown as RuntimeProfile['spec'] })
      this.#settings.set(name, history)
    }
    for (const { metadata } of this.fleet.api.list('nodes')) this.#observeConflict(metadata.name, nowMs)
  }

  #observeNode(name: string, before: Stored | undefined, after: Stored | undefined): void {
    const { nowMs } = this.fleet.schedule
    if (!before || !after) this.#membersChangedMs = nowMs
    if (!after) this.#out.forget(name)
    // A Node that was just registered says nothing yet.
    else if (readyOf(after)) this.#out.set(name, isOut(after), nowMs)
    this.#observeConflict(name, nowMs)
  }

  #observeConflict(node: string, nowMs: number): void {
    this.#selected.set(node, this.#selecting(node).length > 0, nowMs)
    this.#conflict.set(node, this.#selecting(node).length > 1, nowMs)
  }

  #selecting(node: string): RuntimeProfile[] {
    const pool = this.fleet.api.get('nodes', node)?.metadata.labels?.['pool'] ?? ''
    const profiles = this.fleet.api.list('runtimeprofiles') as unknown as RuntimeProfile[]
    return profiles.filter(
      ({ metadata, spec }) =>
        !metadata.deletionTimestamp && spec.nodeSelector.matchExpressions?.[0]?.values?.includes(pool),
    )
  }

  // --- writes to Nodes

  #nodeWritten(operator: string, before: Stored | undefined, after: Stored | undefined): void {
    if (!before || !after) return
    const { name } = after.metadata
    if (this.#isNobodys(name, before)) this.#fail('own object', `${name} is selected by no profile, and was written`)
    const wasMarked = markOf(before) !== undefined
    const mark = markOf(after)
    if (mark !== undefined && mark !== markOf(before)) {
      const profile = mark.split('/')[0]!
      const wasTaken = isTaken(before, this.fleet.runtime(name))
      this.#taken(name, profile, wasTaken)
      if (!wasTaken) this.#started(name, profile, operator)
      if (!wasTaken) this.#cordonedFor(name)
    }
    if (isTainted(before) && !isTainted(after)) this.#admitted(name)
    if (!before.spec?.['unschedulable'] || after.spec?.['unschedulable']) return
    if (!wasMarked) this.#fail('foreign cordon', `${name} was uncordoned, and somebody else had cordoned it`)
    this.#returned(name)
  }

  #cordonedFor(name: string): void {
    const pods = this.fleet.api.list('pods').filter(({ spec }) => spec?.['nodeName'] === name)
    const held = pods.find((pod) => !pod.metadata.deletionTimestamp && isGuarded(this.fleet.api, pod))
    if (held && this.#guarded.surely(`cart-${name}`, true, this.#known - answerMs)) {
      this.#fail('disruption budget', `${name} is cordoned, and its disruption budget allows nothing`)
    }
  }

  /** No profile selects the node, and none has anything to do with it still. */
  #isNobodys(name: string, node: Stored): boolean {
    const isOurs =
      markOf(node) !== undefined || isTainted(node) || this.fleet.runtime(name)?.spec?.profile !== undefined
    return !isOurs && this.#selected.surely(name, false, this.#known)
  }

  /** A node that joins takes pods when it is proven, or when nothing is asked of it. */
  #admitted(name: string): void {
    this.#returned(name)
    const runtime = this.fleet.runtime(name)
    const isProven = runtime !== undefined && phaseOf(runtime) === 'Committed'
    if (!isProven && this.#selected.surely(name, true, this.#known)) {
      this.#fail('uncordon unproven', `${name} joined, is selected by a profile, and takes pods before it is proven`)
    }
  }

  #returned(name: string): void {
    const machine = this.#machine(name)
    if (!machine) return
    const [engine, kubelet] = [machine.content(engineFile), machine.content(kubeletFile)]
    const because = machine.isJournalOpen
      ? 'its journal is open'
      : engine !== kubelet
        ? `its files are ${engine} and ${kubelet}`
        : undefined
    if (because) this.#fail('uncordon unproven', `${name} was uncordoned while ${because}`)
  }

  #machine(name: string): Machine | undefined {
    return this.fleet.nodes.find(({ plan, isGone }) => plan.name === name && !isGone)?.machine
  }

  // --- writes to NodeRuntimes

  #orderWritten(operator: string, before: NodeRuntime | undefined, after: NodeRuntime | undefined): void {
    if (!after?.spec) return
    const { name } = after.metadata
    const { spec } = after
    const was = before?.spec
    if ((spec.fence ?? 0) < (was?.fence ?? 0)) this.#fail('fence', `${name}: fence ${was?.fence} became ${spec.fence}`)
    const isNew = spec.revision !== undefined && (spec.revision !== was?.revision || spec.attempt !== was?.attempt)
    if (isNew) this.#ordered(after)
    if (isNew && before) this.#repaired(before, after)
    if (isStart(before, after)) this.#startWritten(operator, before, after)
    if (spec.permit === 'Commit' && was?.permit !== 'Commit') this.#committed(after)
  }

  #startWritten(operator: string, before: NodeRuntime | undefined, after: NodeRuntime): void {
    const { name } = after.metadata
    const profile = after.spec?.profile ?? ''
    const wasTaken = isTaken(this.fleet.api.get('nodes', name), before)
    this.#taken(name, profile, wasTaken)
    const disturbsNobody = phaseOf(after) === 'Prepared' && after.status?.action === 'None'
    if (wasTaken || disturbsNobody || (before && hasBegun(before))) return
    this.#started(name, profile, operator)
  }

  #started(name: string, profile: string, operator: string): void {
    const settings = this.#settingsOf(profile).map(({ rollout }) => rollout ?? {})
    const isMember = (node: string): boolean => {
      const selecting = this.#selecting(node)
      return selecting.length === 1 && selecting[0]?.metadata.name === profile
    }
    this.#pacing.starting(this.fleet, { name, profile, operator, settings, knownMs: this.#known, isMember })
  }

  #ordered({ metadata, spec, status }: NodeRuntime): void {
    const { name, uid } = metadata
    const key = `${spec?.revision}/${spec?.attempt}`
    const known = this.#answered.get(`${uid}`)
    const isAbout = (said: NodeRuntime['status']): boolean => `${said?.revision}/${said?.attempt}` === key
    // Whose old answer would pass for the answer to the new order.
    const isRepeated = known?.has(key) && isAbout(this.#machine(name)?.answer)
    if (isRepeated || isAbout(status)) {
      this.#fail('attempt', `${name} is ordered ${key} once more, and has answered it before`)
    }
    this.#answered.set(`${uid}`, (known ?? new Set()).add(key))
    if (spec?.revision !== originalRevision && this.#selected.surely(name, false, this.#known)) {
      this.#fail('own object', `${name} is selected by no profile, and is ordered ${key}`)
    }
    if (this.#conflict.surely(name, true, this.#known)) {
      this.#fail('conflict', `${name} is selected by two profiles and is ordered ${key}`)
    }
    const node = this.fleet.api.get('nodes', name)
    const ordered = this.fleet.nodes.find(({ plan }) => plan.name === name)
    if (ordered && node && spec?.nodeUID === node.metadata.uid) ordered.isForgotten = false
    if (node && spec?.nodeUID !== node.metadata.uid && metadata.ownerReferences?.[0]?.uid === node.metadata.uid) {
      this.#fail('other node', `${name} is ordered for the node ${spec?.nodeUID}, and is ${node.metadata.uid}`)
    }
  }

  /** Another attempt at what was committed, which nobody asked for. */
  #repaired(before: NodeRuntime, after: NodeRuntime): void {
    const { nowMs } = this.fleet.schedule
    const { name, uid = '' } = after.metadata
    const hasCommitted = phaseOf(before) === 'Committed' && before.spec?.permit !== 'Prepare'
    const isAgain = hasCommitted && before.spec?.revision === after.spec?.revision
    const noted = (runtime: NodeRuntime, key: string): string | undefined => runtime.metadata.annotations?.[key]
    const isRetry = noted(before, annotations.retry) !== noted(after, annotations.retry)
    // Whatever people ask for begins the count anew.
    if (isRetry || before.spec?.revision !== after.spec?.revision) this.#repairedMs.delete(uid)
    else if (isAgain && noted(after, annotations.report) !== undefined) {
      if (this.#settingsOf(after.spec?.profile ?? '').every(({ drift }) => drift !== 'Repair')) {
        this.#fail('repair', `${name} has drifted and is brought back, and that was only to be reported`)
      }
      const last = this.#repairedMs.get(uid) ?? Number.NEGATIVE_INFINITY
      if (nowMs - last < repairPauseMs) this.#fail('repair', `${name} is repaired again after ${nowMs - last} ms`)
      this.#repairedMs.set(uid, nowMs)
    }
  }

  /** The Node must say, since the proof, that it runs what was proven. */
  #committed(runtime: NodeRuntime): void {
    const { metadata, status } = runtime
    const { name } = metadata
    this.#pacing.committed(runtime, this.fleet.schedule.nowMs)
    const node = this.fleet.api.get('nodes', name)
    const machine = this.#machine(name)
    if (!node || !machine?.isUp || !machine.isJournalOpen) return
    const heartbeat = (node.status?.['conditions'] as { lastHeartbeatTime?: string }[] | undefined)?.[0]
      ?.lastHeartbeatTime
    // As it was reported: of a later one, after a power cut, nobody can know yet but the machine.
    const proof = Date.parse(status?.verification?.time ?? '')
    if (Date.parse(heartbeat ?? '') < Math.floor(proof / 1000) * 1000) {
      this.#fail(
        'gate',
        `${name} may commit, and its last heartbeat ${heartbeat} is older than its proof ${status?.verification?.time}`,
      )
    }
  }

  /** When a node was repaired last, by uid of its NodeRuntime. */
  readonly #repairedMs = new Map<string, number>()

  // --- nodes going out of service

  #taken(name: string, profile: string, wasTaken: boolean): void {
    const { fleet } = this
    if (this.#conflict.surely(name, true, this.#known) && !wasTaken) {
      this.#fail('conflict', `${name} is selected by two profiles and goes out of service`)
    }
    if (!wasTaken && this.#aborted.surely(profile, true, this.#known)) {
      this.#fail('abort', `${name} goes out of service although the rollout was aborted`)
    }
    if (wasTaken || !this.#out.surely(name, false, this.#known)) return
    const members = fleet.api.list('nodes').filter(({ metadata }) => {
      const isSelected = this.#selecting(metadata.name).some((one) => one.metadata.name === profile)
      return isSelected || fleet.runtime(metadata.name)?.spec?.profile === profile
    })
    const others = members.filter(({ metadata }) => metadata.name !== name)
    const out = others.filter((node) => this.#isSurelyOut(node)).map(({ metadata }) => metadata.name)
    const limit = this.#limit(profile, members.length)
    if (out.length + 1 > limit)
      this.#fail('budget', `${name} goes out of service beside ${out.join(', ')}, and ${limit} may`)
    this.#controlPlaneTaken(name)
    this.#failuresBefore(name, profile)
  }

  #isSurelyOut(node: Stored): boolean {
    const { name } = node.metadata
    return this.#out.surely(name, true, this.#known) || isTaken(node, this.fleet.runtime(name))
  }

  /** What the profile says, and what it said of late: the operator may not have seen the last. */
  #settingsOf(profile: string): RuntimeProfile['spec'][] {
    const history = this.#settings.get(profile) ?? []
    const isLate = (index: number): boolean => (history[index + 1]?.sinceMs ?? Number.POSITIVE_INFINITY) > this.#known
    return history.filter((_, index) => isLate(index)).map(({ spec }) => spec)
  }

  /** The most that any setting of late allows. */
  #limit(profile: string, total: number): number {
    const most = this.#membersChangedMs > this.#known ? this.fleet.nodes.length : total
    const values = this.#settingsOf(profile).map(({ rollout }) => {
      const value = rollout?.maxUnavailable ?? 1
      return typeof value === 'number' ? value : Math.max(1, Math.floor((most * Number.parseInt(value, 10)) / 100))
    })
    return Math.max(1, ...values)
  }

  #controlPlaneTaken(name: string): void {
    if (!name.startsWith('cp-')) return
    for (const node of this.fleet.api.list('nodes')) {
      const other = node.metadata.name
      if (other === name || !other.startsWith('cp-')) continue
      const isOurs = isTaken(node, this.fleet.runtime(other))
      const isNotReady = readyOf(node) !== 'True' && this.#out.surely(other, true, this.#known)
      if (isOurs || isNotReady) this.#fail('control plane', `${name} goes out of service beside ${other}`)
    }
  }

  #failuresBefore(name: string, profile: string): void {
    const object = this.fleet.api.get('runtimeprofiles', profile) as RuntimeProfile | undefined
    const history = this.#settings.get(profile) ?? []
    if (!object || object.metadata.deletionTimestamp || (history.at(-1)?.sinceMs ?? 0) > this.#known) return
    const revision = revisionOf(targetOf(object.spec))
    const retry = object.metadata.annotations?.[annotations.retry]
    const failed = this.fleet.api.list('noderuntimes').filter((stored) => {
      const { metadata, spec } = stored as unknown as NodeRuntime
      const isOwn =
        spec?.profile === profile && spec.revision === revision && metadata.annotations?.[annotations.retry] === retry
      const isSelected = this.#selecting(metadata.name).length === 1
      return (
        isOwn &&
        isSelected &&
        this.fleet.api.get('nodes', metadata.name) &&
        this.#failed.surely(metadata.name, true, this.#known)
      )
    })
    const budget = object.spec.rollout?.failureBudget ?? 1
    if (failed.length >= budget) {
      const names = failed.map(({ metadata }) => metadata.name).join(', ')
      this.#fail('failure budget', `${name} goes out of service although ${names} failed and the budget is ${budget}`)
    }
  }

  // --- writes to RuntimeProfiles

  #profileWritten(before: Stored | undefined, after: Stored | undefined): void {
    const had = before?.metadata.finalizers?.includes(finalizer)
    if (!before || !had || after?.metadata.finalizers?.includes(finalizer)) return
    const { name } = before.metadata
    for (const stored of this.fleet.api.list('noderuntimes')) {
      const { metadata, spec } = stored as unknown as NodeRuntime
      const node = this.fleet.api.get('nodes', metadata.name)
      if (spec?.profile !== name || !node || spec.nodeUID !== node.metadata.uid) continue
      this.#fail('finalizer', `profile ${name} goes, and ${metadata.name} still works at its order ${spec.revision}`)
    }
  }

  // --- what machines do

  opened(machine: Machine, order: Order, action: string): void {
    this.note(machine.name, () => `opens its journal for ${order.revision}/${order.attempt}, ${action}`)
    const node = this.fleet.api.get('nodes', machine.name)
    const runtime = this.fleet.runtime(machine.name)
    if (runtime?.status?.machineID !== undefined && runtime.status.machineID !== machine.id) {
      this.#fail(
        'other node',
        `${machine.name} switches on machine ${machine.id}, and ${runtime.status.machineID} had answered`,
      )
    }
    if (action !== 'DrainRestart' || !node) return
    const isLeft = this.fleet.api.list('pods').some(({ spec }) => spec?.['nodeName'] === machine.name)
    const isUncordoned = !node.spec?.['unschedulable']
    if (isLeft && !isUncordoned) this.#fail('drain', `${machine.name} switches, and pods still run on it`)
  }

  closed(machine: Machine): void {
    const phase = machine.answer?.phase
    this.note(machine.name, () => `closes its journal: ${phase}`)
    const { engine, kubelet } = machine.units
    const [one, two] = [machine.content(engineFile), machine.content(kubeletFile)]
    if (one !== two)
      this.#fail('in between', `${machine.name} closed its journal, and its files are "${one}" and "${two}"`)
    if (!machine.engine || phase === undefined) return
    const isUntouched = engine.invocation === machine.invocationAtOpening
    if (!isUntouched && (machine.proven.invocation !== engine.invocation || machine.proven.content !== one)) {
      this.#fail('in between', `${machine.name} closed its journal as ${phase} without a proof of what runs`)
    }
    if (engine.loaded !== one || kubelet.loaded !== two) {
      this.#fail('in between', `${machine.name} closed its journal, and its units run with other files`)
    }
    if (phase === 'RolledBack' && machine.former && machine.former.engine !== one) {
      this.#fail('in between', `${machine.name} is RolledBack, and runs "${one}" instead of "${machine.former.engine}"`)
    }
  }

  booted(machine: Machine): void {
    this.note(machine.name, () => 'boots')
    if (!machine.isJournalOpen || machine.bootStage() === 'proven') return
    const now = machine.content(engineFile)
    if (machine.former && now !== machine.former.engine) {
      this.#fail('unproven boot', `${machine.name} boots with "${now}", which was not proven`)
    }
  }

  accepted(machine: Machine, order: Order, knownFence: number): void {
    if ((order.fence ?? 0) < knownFence) {
      this.#fail('fence', `${machine.name} accepted an order with fence ${order.fence} after one with ${knownFence}`)
    }
  }

  says(machine: Machine, what: string): void {
    this.note(`${machine.name} engine`, () => what)
  }

  fail(invariant: Invariant, message: string): void {
    this.#fail(invariant, message)
  }
}

const isOut = (node: Stored): boolean =>
  node.spec?.['unschedulable'] === true ||
  isTainted(node) ||
  readyOf(node) !== 'True' ||
  node.metadata.deletionTimestamp !== undefined

/** The switch is permitted, or the turn of a node begins that somebody else cordoned. */
function isStart(before: NodeRuntime | undefined, { metadata, spec }: NodeRuntime): boolean {
  if (spec?.permit === 'Switch') return before?.spec?.permit !== 'Switch'
  const turn = metadata.annotations?.[annotations.turn]
  return spec?.permit === 'Prepare' && turn !== undefined && turn !== before?.metadata.annotations?.[annotations.turn]
}

function isFailed(runtime: NodeRuntime): boolean {
  const { spec } = runtime
  if (spec?.revision === undefined || spec.revision === originalRevision || isOpen(runtime)) return false
  // Given back because people wanted it: nothing has failed.
  if (runtime.metadata.annotations?.[annotations.gaveUp]?.includes('"Aborted"') && phaseOf(runtime) !== 'Failed')
    return false
  // The node has changed since it was prepared: it is prepared anew.
  if (runtime.status?.reason === reasons.actionChanged) return false
  return ['Refused', 'RolledBack', 'Failed'].includes(phaseOf(runtime) ?? '')
}

const describers: Readonly<Record<string, (object: Stored, by: Written['by']) => string>> = {
  nodes: (object) => {
    const { name, labels: all = {} } = object.metadata
    const mark = markOf(object)
    const cordon = object.spec?.['unschedulable'] ? `cordoned${mark ? ` by ${mark}` : ''}` : 'schedulable'
    const ours = Object.keys(all).filter((key) => key.startsWith(labels.handlerPrefix)).length
    return `Node ${name}: Ready ${readyOf(object)}, ${cordon}, ${ours} handlers`
  },
  noderuntimes: (object, by) => {
    const { metadata, spec, status } = object as unknown as NodeRuntime
    const { name } = metadata
    const { phase, reason = '' } = status ?? {}
    if (by === 'courier') return `answer of ${name}: ${phase} ${status?.revision}/${status?.attempt} ${reason}`
    const marks = Object.keys(metadata.annotations ?? {}).map((key) => key.split('/')[1])
    const { permit, revision, attempt, profile, fence } = spec ?? {}
    return `order to ${name}: ${permit} ${revision}/${attempt} of ${profile}, fence ${fence} [${marks}]`
  },
  runtimeprofiles: (object, by) => {
    const { metadata, spec, status } = object as unknown as RuntimeProfile
    const { name } = metadata
    if (by === 'operator') return `profile ${name}: ${status?.message ?? '-'} [${metadata.finalizers ?? ''}]`
    const of = spec.nodeSelector.matchExpressions?.[0]?.values
    const text = { target: revisionOf(targetOf(spec)), of, ...spec.rollout }
    return `profile ${name} ${metadata.deletionTimestamp ? 'is to go' : JSON.stringify(text)}`
  },
  migrationreports: ({ metadata, status }) => {
    const nodes = (status?.['nodes'] ?? []) as { name: string; result: string }[]
    return `report ${metadata.name}: ${status?.['phase']} ${nodes.map(({ name, result }) => `${name} ${result}`).join(', ')}`
  },
}

function describe({ plural, before, after, by }: Written): string {
  const object = (after ?? before)!
  if (!after) return `${plural} ${object.metadata.name} is gone`
  return describers[plural]?.(object, by) ?? `${plural} ${object.metadata.name}`
}
