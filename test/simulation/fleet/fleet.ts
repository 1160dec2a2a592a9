/** The cluster: machines with their kubelets and couriers, two operators, and what the control plane does by itself. */
import { startupTaint } from '../../../crds/protocol.ts'
import type { NodeRuntime, RuntimeProfileSpec } from '../../../crds/types.gen.ts'
import { LeaderElector } from '../../../kube/lease.ts'
import { silentLog } from '../../../kube/log.ts'
import { noMetrics } from '../../../kube/metrics.ts'
import { Courier } from '../../../node-agent/courier/courier.ts'
import { lead, type OperatorOptions } from '../../../operator/operator.ts'
import { Api, type Change, type Stored, type Who, type Written } from './api.ts'
import { handlersOf, Machine, type MachineMutant, versionOf, type Witness } from './machine.ts'
import {
  breakWatches,
  type ClientOptions,
  freshLink,
  type Link,
  type Server,
  SimulatedClient,
  type Tampering,
} from './network.ts'
import { type Pace, windowSpec } from './pace.ts'
import { clockOf, generator, type MachineTime, Process, type Random, Schedule, trueTime } from './schedule.ts'
import type { NodePlan, Script } from './script.ts'

export interface Mutant {
  readonly name: string
  readonly machine?: MachineMutant
  /** What the operator reads and sends. Made anew for each world. */
  readonly tampering?: () => Tampering
  /** The same of each courier. */
  readonly courier?: (node: string) => Tampering
  /** Does more to the operator's process than its reading and writing; undone by what it gives. */
  readonly install?: () => () => void
  /** The operator writes whether it leads or not. */
  readonly isDeaf?: boolean
  /** Acts on what the operator sees. */
  readonly onSeen?: (fleet: Fleet, plural: string, object: Stored) => void
}

export interface FleetNode {
  readonly plan: NodePlan
  machine: Machine
  readonly kubelet: Link
  readonly courierLink: Link
  courier: Process
  /** When the kubelet last renewed its lease. */
  leaseMs: number
  reported: string
  reportedMs: number
  /** Its Node was deleted and came back: what Drydock had noted with the former one is lost until its next order. */
  isForgotten: boolean
  /** Deleted by a person: its kubelet does not come back by itself. */
  isGone: boolean
  /** Until when the kubelet is stopped. */
  awayUntilMs: number
  /** A disruption budget forbids evictions until then. */
  budgetUntilMs: number
  /** Another tool wrote its files: its courier has to look at them before anybody can know. */
  hasDrifted: boolean
}

export interface Replica {
  readonly name: string
  readonly link: Link
  readonly time: MachineTime
  process: Process
  diesIn: number
  pausesIn: number
  pauseMs: number
  downMs: number
}

export const label = 'pool'
const controlPlaneLabel = 'node-role.kubernetes.io/control-plane'

const targets: readonly (readonly ['systemd' | 'cgroupfs', readonly string[]])[] = [
  ['systemd', ['crun', 'runc']],
  ['cgroupfs', ['crun', 'fast', 'runc']],
  ['cgroupfs', ['runc']],
]

/** What machines run before Drydock comes. */
export const originalTarget = 2

/** The text that machines have in their files when they run this target. */
export const contentOf = (target: number): string => [targets[target]![0], ...targets[target]![1]].join(' ')

export function specOf(
  target: number,
  pools: readonly string[],
  { limit, failureBudget, pace }: Pick<Script, 'limit' | 'failureBudget' | 'pace'>,
) {
  const [cgroupDriver, handlers] = targets[target]!
  return {
    nodeSelector: { matchExpressions: [{ key: label, operator: 'In' as const, values: [...pools] }] },
    engine: { name: 'containerd' as const },
    cgroupDriver,
    handlers: handlers.map((name) => ({ name, type: 'runc' as const, default: name === 'runc' })),
    rollout: { maxUnavailable: limit, failureBudget, drain: { timeout: '40s' }, ...rolloutOf(pace) },
    verify: { timeout: '30s' },
    ...(pace.repairs && { drift: 'Repair' as const }),
  } satisfies RuntimeProfileSpec
}

/** The part of a profile's rollout that its pace is. */
export function rolloutOf({ canary, window, gate }: Pace) {
  return {
    ...(canary && { canary }),
    ...(window && { window: windowSpec(window) }),
    ...(gate && { gates: [gateSpec] }),
  }
}

const gateSpec = {
  name: 'no-freeze',
  object: { apiVersion: 'v1', kind: 'ConfigMap', namespace: 'ops', name: 'freeze' },
  cel: 'object.spec.open',
}

/** Of a process that nobody stops: it dies. One for each, or all that ever listened would stay. */
const unstopped = (): AbortSignal => new AbortController().signal
const cluster = { by: 'cluster', process: 'cluster' } as const
export const person = { by: 'person', process: 'person' } as const

export interface Watcher extends Witness {
  written(written: Written): void
  /** A write has been sent, whether it will change anything or not. */
  requested(who: Who, plural: string): void
  seen(process: Process, plural: string, object: Stored): void
  /** An operator has something to tell in an Event. */
  told(): void
}

export class Fleet {
  readonly schedule: Schedule
  readonly api: Api
  readonly server: Server
  readonly nodes: FleetNode[]
  readonly replicas: Replica[]
  readonly script: Script
  readonly random: Random
  readonly watcher: Watcher
  readonly mutant: Mutant | undefined
  readonly #tampering: Tampering
  #machines = 0
  #pods = 0
  #joined = 0

  constructor(script: Script, watcher: Watcher, mutant: Mutant | undefined) {
    this.schedule = new Schedule(script.startMs)
    this.script = script
    this.watcher = watcher
    this.mutant = mutant
    this.#tampering = mutant?.tampering?.() ?? {}
    this.random = generator(script.seed * 7919 + 1)
    this.api = new Api(
      () => trueTime(this.schedule).toISOString(),
      (written) => watcher.written(written),
    )
    this.server = { api: this.api, downUntilMs: 0, overloadedUntilMs: 0 }
    this.nodes = script.nodes.map((plan) => this.#node(plan))
    this.replicas = [0, 1].map((index) => this.#replica(index))
  }

  start(): void {
    if (this.script.pace.gate) this.setGate(true)
    for (const [index, node] of this.nodes.entries()) this.every(10_000, 100 + 37 * index, () => this.kubeletTick(node))
    this.every(10_000, 5_000, () => this.#controlPlaneTick())
    for (const [index, replica] of this.replicas.entries()) {
      this.schedule.after(50 + index * 1_500, undefined, () => this.startOperator(replica))
    }
    const { profiles } = this.script
    for (const { name, atMs, target, pools } of profiles) {
      this.schedule.at(atMs, undefined, () => this.createProfile(name, target, pools))
    }
  }

  every(periodMs: number, firstMs: number, act: () => void): void {
    const tick = (): void => {
      act()
      this.schedule.after(periodMs, undefined, tick)
    }
    this.schedule.after(firstMs, undefined, tick)
  }

  createProfile(name: string, target: number, pools: readonly string[]): void {
    if (this.api.get('runtimeprofiles', name)) return
    const spec = specOf(target, pools, this.script)
    const object = { apiVersion: 'drydock.dev/v1alpha1', kind: 'RuntimeProfile', metadata: { name }, spec }
    this.api.create({ by: 'person', process: 'person' }, 'runtimeprofiles', object)
  }

  // --- machines

  #node(plan: NodePlan): FleetNode {
    return {
      plan,
      machine: this.newMachine(plan),
      kubelet: freshLink(),
      courierLink: freshLink(),
      courier: deadProcess(),
      leaseMs: 0,
      reported: '',
      reportedMs: 0,
      isForgotten: false,
      isGone: false,
      awayUntilMs: 0,
      budgetUntilMs: 0,
      hasDrifted: false,
    }
  }

  newMachine(plan: NodePlan): Machine {
    const machine = new Machine({
      name: plan.name,
      id: `machine-${++this.#machines}`,
      schedule: this.schedule,
      random: this.random,
      change: plan.change,
      mutant: this.mutant?.machine ?? {},
      witness: this.watcher,
    })
    machine.time.skewMs = plan.skewMs
    machine.onKubelet = () => {
      const node = this.nodes.find((one) => one.machine === machine)
      if (node) this.schedule.after(700 + this.random() * 4_000, undefined, () => this.kubeletTick(node))
    }
    machine.onPodsRemoved = () => {
      const node = this.nodes.find((one) => one.machine === machine)
      if (node) node.courier.alive = false
    }
    return machine
  }

  reaches(link: Link): boolean {
    const { nowMs } = this.schedule
    return link.requestsLostUntilMs <= nowMs && this.server.downUntilMs <= nowMs
  }

  kubeletTick(node: FleetNode): void {
    const { machine } = node
    machine.restartUnits()
    if (node.isGone || !machine.isUp || !machine.units.kubelet.active || node.awayUntilMs > this.schedule.nowMs) return
    if (machine.units.engine.active && !node.courier.alive) this.#startCourier(node)
    if (!this.reaches(node.kubelet)) return
    node.leaseMs = this.schedule.nowMs
    const object = this.api.get('nodes', machine.name) ?? this.#register(node)
    const { loaded, invocation } = machine.units.engine
    const status = machine.isHealthy ? 'True' : 'False'
    const report = `${status} ${loaded} ${invocation} ${machine.units.kubelet.invocation} ${object.metadata.uid}`
    const isFresh = report !== node.reported || this.schedule.nowMs - node.reportedMs > 100_000
    if (!isFresh && readyOf(object) === status) return
    node.reported = report
    node.reportedMs = this.schedule.nowMs
    const wall = new Date(trueTime(this.schedule).getTime() + machine.time.skewMs)
    const lastHeartbeatTime = wall.toISOString().replace(/\.\d+Z$/, 'Z')
    this.api.update(cluster, 'nodes', { name: machine.name }, () => ({
      status: {
        conditions: [{ type: 'Ready', status, lastHeartbeatTime }],
        nodeInfo: { containerRuntimeVersion: `containerd://${versionOf(loaded)}` },
        runtimeHandlers: handlersOf(loaded).map((name) => ({ name })),
      },
    }))
  }

  #register({ machine, plan }: FleetNode): Stored {
    const labels = { [label]: plan.pool, ...(plan.controlPlane && { [controlPlaneLabel]: '' }) }
    // Every other machine that comes later is one that autoscaling adds.
    const taints = this.#joined++ % 2 === 0 ? [] : [startupTaint]
    const spec = this.#joined > this.nodes.length && taints.length > 0 ? { taints } : {}
    return this.api.create(cluster, 'nodes', { metadata: { name: machine.name, labels }, spec, status: {} })
  }

  #startCourier(node: FleetNode): void {
    const process = new Process(`${node.plan.name} courier`)
    node.courier = process
    const { machine } = node
    const clock = clockOf(this.schedule, process, machine.time, 400)
    const who = { by: 'courier', process: node.plan.name } as const
    const { schedule, server, random } = this
    const client = new SimulatedClient({
      schedule,
      server,
      link: node.courierLink,
      process,
      who,
      random,
      clock,
      tampering: this.mutant?.courier?.(node.plan.name) ?? {},
      onRequest: (plural) => this.watcher.requested(who, plural),
    })
    const engine = {
      state: async (after?: { known: { seq: number; run: string }; waitSeconds: number; signal: AbortSignal }) => {
        const { engine, run } = await machine.speak(process, () => {})
        const isNews = (): boolean => !after || after.known.run !== run || after.known.seq !== engine.seq
        if (!isNews()) {
          const over = new AbortController()
          const waiting = clock.sleep((after?.waitSeconds ?? 0) * 1000, over.signal)
          await Promise.race([engine.changed, waiting, aborted(after?.signal)])
          over.abort()
          if (machine.engine !== engine) throw new Error('the engine is gone')
        }
        return machine.state(engine, run)
      },
      put: async (order: Parameters<Machine['put']>[1]) => {
        const { engine, run } = await machine.speak(process, (engine) => machine.put(engine, order))
        return machine.state(engine, run)
      },
    }
    const courier = new Courier({
      node: node.plan.name,
      image: 'agent',
      client: client.asClient,
      engine: engine as never,
      clock,
      random,
      log: silentLog,
    })
    schedule.resume()
    void courier.run(unstopped())
  }

  // --- the control plane

  #controlPlaneTick(): void {
    const { nowMs } = this.schedule
    if (this.server.downUntilMs > nowMs) return
    for (const node of this.nodes) {
      const object = this.api.get('nodes', node.plan.name)
      if (!object) continue
      if (nowMs - node.leaseMs > 40_000 && readyOf(object) !== 'Unknown') this.#markUnknown(object)
      this.#pods_(node, object)
    }
    for (const runtime of this.api.list('noderuntimes')) this.#collect(runtime)
  }

  #markUnknown({ metadata, status }: Stored): void {
    const conditions = (status?.['conditions'] ?? []) as { type: string; status: string }[]
    const unknown = conditions.map((condition) => ({ ...condition, status: 'Unknown' }))
    this.api.update(cluster, 'nodes', { name: metadata.name }, () => ({ status: { ...status, conditions: unknown } }))
  }

  /** The garbage collector is in no hurry. */
  #collect({ metadata }: Stored): void {
    const owner = metadata.ownerReferences?.[0]
    if (!owner || this.api.get('nodes', owner.name)?.metadata.uid === owner.uid) return
    if (this.random() < 0.7) this.api.remove(cluster, 'noderuntimes', metadata.name)
  }

  /** Pods that were evicted end when their kubelet says so; a node that may take pods gets its own back. */
  #pods_({ plan, machine, leaseMs, budgetUntilMs }: FleetNode, object: Stored): void {
    const { nowMs } = this.schedule
    const pods = this.api.list('pods').filter(({ spec }) => spec?.['nodeName'] === plan.name)
    const isAlive = nowMs - leaseMs < 15_000
    if (plan.pods > 0) this.#guard(plan.name, budgetUntilMs > nowMs ? 0 : 1)
    for (const { metadata } of pods) {
      if (metadata.deletionTimestamp && isAlive && machine.units.engine.active)
        this.api.remove(cluster, 'pods', metadata.name)
    }
    if (pods.length > 0 || object.spec?.['unschedulable'] || readyOf(object) !== 'True') return
    for (let index = 0; index < plan.pods; index++) {
      const ownerReferences = [
        { apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'cart', uid: 'cart', controller: true },
      ]
      const labels = { on: plan.name }
      const metadata = { name: `cart-${this.#pods++}`, namespace: 'shop', labels, ownerReferences }
      const status = { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] }
      this.api.create(cluster, 'pods', { metadata, spec: { nodeName: plan.name }, status })
    }
  }

  /** The disruption budget of the pods of one node. */
  #guard(node: string, disruptionsAllowed: number): void {
    const name = `cart-${node}`
    const known = this.api.get('poddisruptionbudgets', name)
    if (known?.status?.['disruptionsAllowed'] === disruptionsAllowed) return
    const status = { disruptionsAllowed, currentHealthy: 1, desiredHealthy: 2 - disruptionsAllowed }
    if (known) this.api.update(cluster, 'poddisruptionbudgets', { name }, () => ({ status }))
    else {
      const spec = { selector: { matchLabels: { on: node } } }
      this.api.create(cluster, 'poddisruptionbudgets', { metadata: { name, namespace: 'shop' }, spec, status })
    }
  }

  /** What the gate of the script's profiles asks about; undefined: nobody knows. */
  setGate(open: boolean | undefined): void {
    const name = 'freeze'
    if (open === undefined) {
      this.api.remove(person, 'configmaps', name)
      return
    }
    const spec = { open }
    if (this.api.get('configmaps', name)) this.api.update(person, 'configmaps', { name }, () => ({ spec }))
    else this.api.create(person, 'configmaps', { metadata: { name, namespace: 'ops' }, spec })
  }

  // --- operators

  #replica(index: number): Replica {
    return {
      name: `operator-${index}`,
      link: freshLink(),
      time: { skewMs: index * 20_000, bootedAtMs: -50_000 * index },
      process: deadProcess(),
      diesIn: 0,
      pausesIn: 0,
      pauseMs: 0,
      downMs: 0,
    }
  }

  startOperator(replica: Replica): void {
    if (replica.process.alive) return
    const process = new Process(replica.name)
    replica.process = process
    const { schedule, server, random, watcher, mutant } = this
    const clock = clockOf(schedule, process, replica.time)
    const who = { by: 'operator', process: replica.name } as const
    const common = {
      ...{ schedule, server, link: replica.link, process, who, random, clock, tampering: this.#tampering },
      onRequest: (plural: string) => watcher.requested(who, plural),
      onWritten: () => this.#afterWrite(replica),
      onSeen: (plural: string, { object }: Change) => {
        watcher.seen(process, plural, object)
        mutant?.onSeen?.(this, plural, object)
      },
    } satisfies ClientOptions
    const identity = `${replica.name}/${this.#machines++}`
    const times = { leaseSeconds: 30, renewDeadlineSeconds: 20, retrySeconds: 5 }
    const elector = new LeaderElector({
      client: new SimulatedClient(common).asClient,
      namespace: 'drydock',
      name: 'drydock',
      identity,
      clock,
      log: silentLog,
      ...times,
    })
    const mayWrite = (): boolean => mutant?.isDeaf === true || elector.isLeading
    const client = new SimulatedClient({ ...common, mayWrite }).asClient
    const events = { record: () => watcher.told(), flush: async () => {} } as unknown as OperatorOptions['events']
    schedule.resume()
    const ended = elector.run({
      signal: unstopped(),
      onStarted: (fence, signal) => {
        const options = { client, clock, log: silentLog, metrics: noMetrics, events, agent: undefined }
        return lead({ ...options, courierTimeoutSeconds: 60 }, { fence, signal })
      },
    })
    void ended.then(() => {
      if (process.alive) this.stopOperator(replica, 3_000)
    })
  }

  stopOperator(replica: Replica, downMs: number): void {
    replica.process.alive = false
    this.schedule.after(downMs, undefined, () => this.startOperator(replica))
  }

  /** Between any two writes an operator can die, or stand still. */
  #afterWrite(replica: Replica): void {
    if (!replica.process.alive) return
    if (replica.diesIn > 0 && --replica.diesIn === 0) this.stopOperator(replica, replica.downMs)
    if (replica.pausesIn > 0 && --replica.pausesIn === 0) {
      const untilMs = this.schedule.nowMs + replica.pauseMs
      replica.process.pausedUntilMs = Math.max(replica.process.pausedUntilMs, untilMs)
    }
  }

  breakWatches(process: Process): void {
    breakWatches(this.schedule, process)
  }

  runtime(name: string): NodeRuntime | undefined {
    return this.api.get('noderuntimes', name) as NodeRuntime | undefined
  }
}

function deadProcess(): Process {
  const process = new Process('none')
  process.alive = false
  return process
}

export function readyOf({ status }: Stored): string | undefined {
  return (status?.['conditions'] as { status: string }[] | undefined)?.[0]?.status
}

function aborted(signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => signal?.addEventListener('abort', () => resolve(), { once: true }))
}
