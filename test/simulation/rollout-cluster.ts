/** A cluster in memory: nodes, agents that keep to docs/protocol.md, and the executor's effects, without any IO. */
import { annotations, finalizer, originalRevision, startupTaint } from '../../crds/protocol.ts'
import type {
  MigrationReport,
  NodeRuntime,
  NodeRuntimeStatus,
  RuntimeProfile,
  RuntimeProfileSpec,
} from '../../crds/types.gen.ts'
import { projectReport } from '../../operator/controllers/migrationreport/view.ts'
import { type NodeObject, viewOf } from '../../operator/controllers/node/view.ts'
import { NodeRuntimeWriter } from '../../operator/controllers/noderuntime/write.ts'
import { gather, type Stores } from '../../operator/controllers/runtimeprofile/gather.ts'
import { entryOf } from '../../operator/reports/entry.ts'
import { isAdmitted } from '../../operator/rollout/admission.ts'
import { answerOf, isOpen } from '../../operator/rollout/answer.ts'
import { handlerLabel, isHandlerLabel } from '../../operator/rollout/handlers.ts'
import { formatCordon } from '../../operator/rollout/marks.ts'
import { plan } from '../../operator/rollout/planner.ts'
import type { Decision, DrainProgress, Look, Plan, Reason, RolloutState } from '../../operator/rollout/types.ts'
import { openingOf } from '../../operator/rollout/window.ts'

export type Fate = 'Committed' | 'Refused' | 'RolledBack' | 'Failed' | 'Silent'
export type Action = 'None' | 'Restart' | 'DrainRestart' | 'DrainSwitch'

type Phase = NonNullable<NonNullable<NodeRuntime['status']>['phase']>

/** What an agent answers: its phase and permit, the fate that the rule is for, the next phase and what it says. */
const agentRules: readonly (readonly [RegExp, Fate | undefined, Phase, object?])[] = [
  [/^Observed/, 'Refused', 'Refused', { reason: 'NoBinary', message: 'no crun' }],
  [/^Observed/, undefined, 'Prepared'],
  [/^Prepared.Switch/, undefined, 'Switching'],
  [/^Prepared.Rollback/, undefined, 'Refused', { reason: 'NothingOpen', message: 'nothing is open' }],
  [/^Switching/, 'Failed', 'Failed', { reason: 'Lost', message: 'neither state' }],
  [/^Switching.Rollback/, undefined, 'RolledBack', { reason: 'Ordered', message: 'told to' }],
  [/^Switching/, 'RolledBack', 'RolledBack', { reason: 'NotProven', message: 'crun' }],
  [/^Switching/, undefined, 'Proven'],
  [/^Proven.Commit/, undefined, 'Committed'],
  [/^Proven.Rollback/, undefined, 'RolledBack', { reason: 'Ordered', message: 'told to' }],
]

export const spec = (over: Partial<RuntimeProfileSpec> = {}): RuntimeProfileSpec => ({
  nodeSelector: {},
  engine: { name: 'containerd' },
  cgroupDriver: 'systemd',
  handlers: [{ name: 'runc', default: true }],
  ...over,
})

const fresh = (why: Reason | undefined): Look => ({ why, freshMilliseconds: 2_000 })

const heldBy = (node: string, held: ReadonlySet<string>): Reason | undefined =>
  held.has(node) ? { reason: 'DisruptionBudget', message: `PDB shop/cart allows 0 disruptions: ${node}` } : undefined

export class SimulatedCluster {
  readonly profiles = new Map<string, RuntimeProfile>()
  readonly nodes = new Map<string, NodeObject>()
  readonly runtimes = new Map<string, NodeRuntime>()
  readonly reports = new Map<string, MigrationReport>()
  readonly drains = new Map<string, DrainProgress>()
  readonly drainStarts = new Map<string, Date>()
  readonly gate = new Map<string, number>()
  /** How the next change of a node ends; Committed when not said. */
  readonly fates = new Map<string, Fate>()
  readonly actions = new Map<string, Action>()
  /** What agents answer to the next order that they look at, instead of what they would. */
  readonly refuseNext = new Map<string, NodeRuntimeStatus>()
  readonly blockedDrains = new Set<string>()
  /** Nodes whose host is not as it was before, whatever the API knows of it. */
  readonly changed = new Set<string>()
  /** Nodes whose pods a disruption budget holds, as a look at them says. */
  readonly heldPods = new Set<string>()
  /** What the gates say when they are asked; undefined: they hold. */
  gateSays: Reason | undefined
  /** Nothing is answered before a plan asks for it: names of nodes, and `gates`. */
  readonly asked = new Set<string>()
  now = new Date('2026-01-01T00:00:00Z')
  /** Sees each decision of `settle` before it is carried out. */
  watch: (profile: string, decision: Decision) => void = () => undefined
  #version = 1

  addNode(
    name: string,
    {
      labels = {},
      ready = true,
      isTainted = false,
    }: { labels?: Record<string, string>; ready?: boolean; isTainted?: boolean } = {},
  ): void {
    this.nodes.set(name, {
      metadata: { name, uid: `uid-${name}-${this.#version++}`, labels },
      spec: isTainted ? { taints: [startupTaint] } : {},
      status: {
        conditions: [{ type: 'Ready', status: ready ? 'True' : 'False', lastHeartbeatTime: this.now.toISOString() }],
        nodeInfo: { containerRuntimeVersion: 'containerd://1.7.0' },
      },
    })
    const uid = this.nodes.get(name)?.metadata.uid ?? ''
    this.runtimes.set(name, {
      apiVersion: 'drydock.dev/v1alpha1',
      kind: 'NodeRuntime',
      metadata: { name, uid: `nr-${uid}` },
      spec: { nodeUID: uid, permit: 'Observe' },
      status: { phase: 'Observed' },
    })
  }

  /** Somebody deletes the Node, and its kubelet registers it again: the API forgets, the host does not. */
  registerAnew(name: string): void {
    this.removeNode(name)
    this.addNode(name)
    const runtime = this.runtimes.get(name)
    if (!runtime) return
    runtime.metadata.creationTimestamp = this.now.toISOString()
    delete runtime.status
  }

  removeNode(name: string): void {
    this.nodes.delete(name)
    this.runtimes.delete(name)
    this.drains.delete(name)
    this.drainStarts.delete(name)
  }

  setReady(name: string, ready: boolean): void {
    const condition = this.nodes.get(name)?.status?.conditions?.[0]
    if (!condition || (condition.status === 'True') === ready) return
    condition.status = ready ? 'True' : 'False'
    condition.lastTransitionTime = this.now.toISOString()
  }

  setCordon(name: string, unschedulable: boolean): void {
    const node = this.nodes.get(name)
    if (!node) return
    const { unschedulable: _, ...spec } = node.spec ?? {}
    node.spec = unschedulable ? { ...spec, unschedulable } : spec
  }

  apply(name: string, wanted: RuntimeProfileSpec): void {
    const former = this.profiles.get(name)
    const generation = (former?.metadata.generation ?? 0) + 1
    const metadata = { uid: `uid-${name}-${this.#version++}`, ...former?.metadata, name, generation }
    this.profiles.set(name, { apiVersion: 'drydock.dev/v1alpha1', kind: 'RuntimeProfile', metadata, spec: wanted })
  }

  retry(name: string, value: string): void {
    const profile = this.profiles.get(name)
    if (profile) profile.metadata.annotations = { ...profile.metadata.annotations, [annotations.retry]: value }
  }

  abort(name: string, isAborted: boolean): void {
    const profile = this.profiles.get(name)
    if (!profile) return
    const { [annotations.abort]: _, ...others } = profile.metadata.annotations ?? {}
    profile.metadata.annotations = isAborted ? { ...others, [annotations.abort]: 'yes' } : others
  }

  /** Time passes, and nothing else happens. */
  wait(minutes: number): void {
    this.now = new Date(this.now.getTime() + minutes * 60_000)
  }

  remove(name: string): void {
    const profile = this.profiles.get(name)
    if (!profile) return
    if (profile.metadata.finalizers?.includes(finalizer)) profile.metadata.deletionTimestamp ??= this.now.toISOString()
    else this.profiles.delete(name)
  }

  state(name: string): RolloutState | undefined {
    const profile = this.profiles.get(name)
    if (!profile) return undefined
    const store = (map: Map<string, unknown>) => ({ get: (key: string) => map.get(key), list: () => [...map.values()] })
    const reports = new Map([...this.reports].map(([key, report]) => [key, projectReport(report)]))
    const stores = {
      profiles: store(this.profiles),
      nodes: store(this.nodes),
      runtimes: store(this.runtimes),
      reports: store(reports),
    } as unknown as Stores
    return gather(profile, stores, {
      view: viewOf,
      window: ({ spec }) => spec.rollout?.window && openingOf(spec.rollout.window, this.now),
      drain: (node) => this.drains.get(node),
      drainSince: (node) => this.drainStarts.get(node),
      gateMilliseconds: ({ metadata }) => this.gate.get(metadata.name) ?? 0,
      gates: () => (this.asked.has('gates') ? fresh(this.gateSays) : undefined),
      evictions: (node) => (this.asked.has(node) ? fresh(heldBy(node, this.heldPods)) : undefined),
    })
  }

  /** With an answer to every question of this moment. */
  plan(name: string): Plan | undefined {
    this.asked.clear()
    for (;;) {
      const state = this.state(name)
      const planned = state && plan(state, this.now)
      if (!planned || planned.questions.length === 0) return planned
      for (const question of planned.questions) {
        const subject = question.ask === 'gates' ? 'gates' : question.node
        if (this.asked.has(subject)) throw new Error(`${subject} is asked about once more`)
        this.asked.add(subject)
      }
    }
  }

  /** What the executor does, one decision. The writer is the real one. */
  async carryOut(name: string, decision: Decision): Promise<void> {
    const profile = this.profiles.get(name)
    if (!profile) return
    switch (decision.kind) {
      case 'AddFinalizer':
        profile.metadata.finalizers = [finalizer]
        return
      case 'RemoveFinalizer':
        this.profiles.delete(name)
        return
      case 'StartReport':
        if (this.reports.has(decision.name)) return
        this.reports.set(decision.name, {
          apiVersion: 'drydock.dev/v1alpha1',
          kind: 'MigrationReport',
          metadata: { name: decision.name, creationTimestamp: this.now.toISOString() },
          spec: { profile: name, revision: decision.revision },
        })
        return
      case 'FinishReport': {
        const report = this.reports.get(decision.name)
        const phase = decision.end === 'Deleted' ? 'Superseded' : decision.end
        if (report) report.status = { ...report.status, phase, completionTime: this.now.toISOString() }
        return
      }
      case 'RecordNode': {
        const report = this.reports.get(decision.report)
        const runtime = this.runtimes.get(decision.node)
        if (!report || !runtime) return
        const others = (report.status?.nodes ?? []).filter((node) => node.name !== decision.node)
        const entry = entryOf(runtime, decision.outcome, this.now)
        report.status = { ...report.status, phase: 'Running', nodes: [...others, entry] }
        return
      }
      case 'Drain':
        this.#drain(decision.node)
        return
      default:
        await this.#onNode(profile, decision)
    }
  }

  #drain(node: string): void {
    if (!this.drainStarts.has(node)) this.drainStarts.set(node, this.now)
    const why = { reason: 'DisruptionBudget', message: 'PDB shop/cart allows 0 disruptions' }
    const isBlocked = this.blockedDrains.has(node)
    this.drains.set(
      node,
      isBlocked ? { state: 'draining', podsEvicted: 0, why } : { state: 'drained', podsEvicted: 1, milliseconds: 5 },
    )
  }

  async #onNode(profile: RuntimeProfile, decision: Extract<Decision, { node: string }>): Promise<void> {
    const node = this.nodes.get(decision.node)
    const runtime = this.runtimes.get(decision.node)
    if (!node || !runtime) return
    const writer = new NodeRuntimeWriter({
      client: {
        apply: async (_: unknown, object: unknown) => object,
        create: async (_: unknown, object: unknown) => object,
      } as never,
      fence: 1,
      courierTimeoutSeconds: 60,
    })
    const write = async (written: Promise<NodeRuntime>): Promise<void> => {
      const { metadata, spec } = await written
      this.runtimes.set(decision.node, {
        ...runtime,
        metadata: { ...runtime.metadata, ...metadata },
        ...(spec && { spec }),
      })
    }
    switch (decision.kind) {
      case 'Cordon':
        node.spec = { ...node.spec, unschedulable: true }
        node.metadata.annotations = {
          ...node.metadata.annotations,
          [annotations.cordonedBy]: formatCordon(decision.mark),
        }
        return
      case 'Return': {
        const { [annotations.cordonedBy]: mark, ...others } = node.metadata.annotations ?? {}
        const { unschedulable, taints, ...rest } = node.spec ?? {}
        node.spec = {
          ...rest,
          ...(unschedulable && mark === undefined && { unschedulable }),
          ...(taints && !decision.admits && { taints }),
        }
        const kept = Object.entries({ ...others, ...decision.annotations }).filter(([, value]) => value !== null)
        node.metadata.annotations = Object.fromEntries(kept) as Record<string, string>
        if (!decision.handlers) return
        const labels = Object.entries(node.metadata.labels ?? {}).filter(([label]) => !isHandlerLabel(label))
        const ours = decision.handlers.map((handler) => [handlerLabel(handler), 'true'] as const)
        node.metadata.labels = Object.fromEntries([...labels, ...ours])
        return
      }
      case 'Order':
        return write(writer.order(runtime, profile, decision.order))
      case 'Adopt':
        return write(writer.adopt(runtime, profile))
      case 'Release':
        return write(writer.release(runtime))
      case 'BeginTurn':
        return write(writer.beginTurn(runtime, decision.turn))
      case 'GiveUp':
        return write(writer.giveUp(runtime, decision.gaveUp))
      case 'PermitSwitch':
        return write(writer.permitSwitch(runtime, profile, decision.turn))
      case 'PermitCommit':
        return write(writer.permitCommit(runtime, decision.turn))
      case 'PermitRollback':
        return write(writer.permitRollback(runtime, decision.gaveUp))
      default:
        throw new Error(`unexpected ${decision.kind}`)
    }
  }

  /** One step of the agent of this node. False when it has nothing to do. */
  agentStep(name: string): boolean {
    const runtime = this.runtimes.get(name)
    const ready = this.nodes.get(name)?.status?.conditions?.[0]
    const { revision, attempt, permit } = runtime?.spec ?? {}
    const fate = this.fates.get(name) ?? 'Committed'
    if (!runtime || revision === undefined || attempt === undefined) return false
    if (fate === 'Silent' || ready?.status !== 'True') return false
    const answer = answerOf(runtime)
    const refusal = this.refuseNext.get(name)
    if (refusal) {
      this.refuseNext.delete(name)
      runtime.status = { ...answer, revision, attempt, ...refusal }
      return true
    }
    const key = `${answer?.phase ?? 'Observed'}/${permit}`
    const next = agentRules.find(([pattern, forFate]) => pattern.test(key) && (!forFate || forFate === fate))
    if (!next) return false
    const more = next[2] === 'Proven' ? this.#prove(name) : {}
    const action = this.actions.get(name) ?? 'DrainRestart'
    const { observed } = runtime.status ?? {}
    if (next[2] === 'Committed') this.#commit(name, revision)
    const changed = this.changed.has(name)
    runtime.status = {
      ...answer,
      ...(observed && { observed }),
      revision,
      attempt,
      action,
      changed,
      phase: next[2],
      ...more,
    }
    if (next[3]) runtime.status = { ...runtime.status, ...next[3] }
    return true
  }

  #commit(name: string, revision: string): void {
    if (revision === originalRevision) this.changed.delete(name)
    else this.changed.add(name)
  }

  #prove(name: string): Partial<NonNullable<NodeRuntime['status']>> {
    this.now = new Date(this.now.getTime() + 2_000)
    const ready = this.nodes.get(name)?.status?.conditions?.[0]
    if (ready) ready.lastHeartbeatTime = this.now.toISOString()
    const target = this.runtimes.get(name)?.spec?.target
    const handlers = (target?.handlers ?? []).map(({ name }) => ({ name, passed: true, durationMilliseconds: 1 }))
    const time = new Date(this.now.getTime() - 1_000).toISOString()
    return { verification: { passed: true, time, durationMilliseconds: 1, handlers } }
  }

  /** Nodes that Drydock has out of service, and all that are out, by what can be seen from outside. */
  outOfService(name: string): { ours: string[]; all: string[] } {
    const members = this.state(name)?.members ?? []
    const ours = members.filter(({ node, runtime }) => node.cordon !== undefined || (runtime && isOpen(runtime)))
    const all = members.filter(({ node, runtime }) => {
      return (
        node.unschedulable ||
        node.startupTaint ||
        !node.ready ||
        node.cordon !== undefined ||
        (runtime && isOpen(runtime))
      )
    })
    return { ours: ours.map(({ node }) => node.name), all: all.map(({ node }) => node.name) }
  }

  view(name: string) {
    const node = this.nodes.get(name)
    return node && viewOf(node)
  }

  /** Plans, acts and answers until nothing moves. Gives the decisions in their order. */
  async settle(limit = 2_000): Promise<Decision[]> {
    const made: Decision[] = []
    for (let step = 0; step < limit; step++) {
      const decisions = await this.#round()
      made.push(...decisions)
      const answers = [...this.nodes.keys()].filter((name) => this.agentStep(name))
      if (decisions.length + answers.length === 0) return made
    }
    throw new Error(`not settled after ${limit} rounds; last: ${JSON.stringify(made.slice(-6))}`)
  }

  /** The nodes that no profile selects. */
  admit(): void {
    for (const [name, node] of this.nodes) {
      if (!isAdmitted(viewOf(node), this.runtimes.get(name), [...this.profiles.values()])) continue
      const { taints: _, ...spec } = node.spec ?? {}
      node.spec = spec
    }
  }

  async #round(): Promise<Decision[]> {
    const made: Decision[] = []
    this.admit()
    for (const name of [...this.profiles.keys()]) {
      for (const decision of this.plan(name)?.decisions ?? []) {
        if (decision.kind === 'Drain' && this.drains.has(decision.node)) continue
        made.push(decision)
        this.watch(name, decision)
        await this.carryOut(name, decision)
      }
      this.forgetDrains()
    }
    return made
  }

  /** Drains that no plan asks for any more. */
  forgetDrains(): void {
    for (const node of this.drainStarts.keys()) {
      const runtime = this.runtimes.get(node)
      const { unschedulable, taints } = this.nodes.get(node)?.spec ?? {}
      if (runtime?.spec?.permit === 'Prepare' && (unschedulable || taints)) continue
      this.drains.delete(node)
      this.drainStarts.delete(node)
    }
  }
}
