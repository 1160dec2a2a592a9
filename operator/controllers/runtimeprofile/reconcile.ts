/** Gather, plan, execute, and say so in one write. */
import type { RuntimeProfile, RuntimeProfileStatus } from '../../../crds/types.gen.ts'
import type { KubeClient } from '../../../kube/client.ts'
import type { Clock } from '../../../kube/clock.ts'
import type { ReconcileResult } from '../../../kube/controller.ts'
import { isConflict } from '../../../kube/errors.ts'
import type { Metrics } from '../../../kube/metrics.ts'
import { Nodes } from '../../../kube/resource.ts'
import { rolloutNodes, rolloutReason } from '../../metrics.ts'
import { RuntimeProfiles } from '../../resources.ts'
import { answerOf } from '../../rollout/answer.ts'
import { shortcoming } from '../../rollout/gate.ts'
import { turnOf } from '../../rollout/marks.ts'
import { plan } from '../../rollout/planner.ts'
import type { Decision, Known, Member, Plan, RolloutState } from '../../rollout/types.ts'
import type { DrainRequest } from '../drain/drain.ts'
import type { Drainer } from '../drain/drainer.ts'
import { refresh } from '../store-write.ts'
import { type Executor, execute, type Seen, seenBy } from './execute.ts'
import type { GateTimer } from './gate-timer.ts'
import { gather, type Memory, type Stores } from './gather.ts'
import { drainOptions, type Lookout } from './lookout.ts'
import { statusOf } from './status.ts'

export interface ProfileControllerOptions {
  readonly client: Pick<KubeClient, 'get' | 'patch'>
  readonly stores: Stores
  readonly executor: Executor
  readonly drainer: Drainer
  readonly gate: GateTimer
  readonly lookout: Lookout
  readonly clock: Clock
  readonly metrics: Metrics
}

/** Between two writes of one status while the rollout goes on; its end is written at once. */
const statusMilliseconds = 2_000
/** One node's decisions follow from each other at most so often without news from outside. */
const longestChain = 10
/** Plans that ask something of the cluster before one is carried out: the next ones come a second later. */
const mostQuestions = 8

/**
 * The rollouts of all profiles. Must be given one profile at a time: a control-plane node of one is seen by the plans
 * of the others only after it was written.
 */
export class ProfileController {
  readonly #options: ProfileControllerOptions
  readonly #statusWrittenAtMs = new Map<string, number>()
  readonly #reasons = new Map<string, string>()

  constructor(options: ProfileControllerOptions) {
    this.#options = options
  }

  async reconcile(name: string): Promise<ReconcileResult> {
    const { stores, executor } = this.#options
    for (let round = 1; ; round++) {
      const profile = stores.profiles.get(name)
      if (!profile) {
        this.#leave(name)
        return {}
      }
      const { state, planned, seen } = await this.#plan(profile)
      const writes = await execute(executor, { profile, decisions: planned.decisions, seen })
      if (writes === 0 || round === longestChain) {
        return this.#conclude(name, state, planned)
      }
    }
  }

  async #plan(profile: RuntimeProfile): Promise<{ state: RolloutState; planned: Plan; seen: Seen }> {
    const { stores, drainer, gate, lookout, clock } = this.#options
    const memory: Memory = {
      drain: (node) => drainer.progress(node),
      gateMilliseconds: (runtime) => gate.milliseconds(runtime),
      gates: (of) => lookout.gates(of),
      evictions: (node) => lookout.evictions(node),
    }
    await this.#look(gather(profile, stores, memory).members)
    for (let round = 1; ; round++) {
      const state = gather(profile, stores, memory)
      const planned = plan(state, clock.now())
      const isAnswered = round < mostQuestions && (await this.#ask(profile, planned))
      if (!isAnswered) return { state, planned, seen: seenBy(planned.decisions, stores) }
    }
  }

  /** What is asked only now that a node could start. False when there is nothing new to plan with. */
  async #ask(profile: RuntimeProfile, { questions }: Plan): Promise<boolean> {
    return questions.length > 0 && (await this.#options.lookout.ask(profile, questions))
  }

  /** Reads the Nodes that a commit waits for: neither a slow watch nor a gap in it must lead to a rollback. */
  async #look(members: readonly Member[]): Promise<void> {
    const { client, stores, gate } = this.#options
    const waiting = members.filter(isCompared).filter((member) => shortcoming(member) !== undefined)
    for (const { runtime } of waiting) {
      if (!gate.isDue(runtime)) continue
      await refresh(client, { type: Nodes, store: stores.nodes, name: runtime.metadata.name })
      gate.looked(runtime)
    }
  }

  async #conclude(name: string, state: RolloutState, planned: Plan): Promise<ReconcileResult> {
    const { drainer, metrics } = this.#options
    drainer.keep(name, drainsOf(state, planned.decisions))
    for (const [phase, count] of Object.entries(planned.counts))
      metrics.set(rolloutNodes, { profile: name, phase }, count)
    this.#showReason(name, planned.why.reason)
    const statusInMs = await this.#writeStatus(name, planned)
    const times = [statusInMs, planned.lookAgainMilliseconds].filter((time) => time !== undefined)
    return times.length === 0 ? {} : { requeueAfterMs: Math.min(...times) }
  }

  #showReason(profile: string, reason: string | undefined): void {
    const former = this.#reasons.get(profile)
    if (former === reason) return
    const { metrics } = this.#options
    if (former !== undefined) metrics.set(rolloutReason, { profile, reason: former }, 0)
    if (reason === undefined) this.#reasons.delete(profile)
    else {
      metrics.set(rolloutReason, { profile, reason }, 1)
      this.#reasons.set(profile, reason)
    }
  }

  /** Writes the status when it changed; gives the time to wait when the last write is too fresh. */
  async #writeStatus(name: string, planned: Plan): Promise<number | undefined> {
    const { client, stores, clock } = this.#options
    const profile = stores.profiles.get(name)
    if (!profile) return undefined
    const status = statusOf(profile, planned, clock.now())
    if (status === profile.status) return undefined
    const nowMs = clock.monotonicMs()
    const waitMs = (this.#statusWrittenAtMs.get(name) ?? Number.NEGATIVE_INFINITY) + statusMilliseconds - nowMs
    if (waitMs > 0 && planned.progress === 'Reconciling') return waitMs
    this.#statusWrittenAtMs.set(name, nowMs)
    try {
      stores.profiles.remember(await this.#patchStatus(client, profile, status))
    } catch (error) {
      if (!isConflict(error)) throw error
      await refresh(client, { type: RuntimeProfiles, store: stores.profiles, name })
      return 1
    }
    return undefined
  }

  #patchStatus(client: Pick<KubeClient, 'patch'>, { metadata }: RuntimeProfile, status: RuntimeProfileStatus) {
    const { name, uid, resourceVersion } = metadata
    const patch = { metadata: { uid, resourceVersion }, status: { report: null, ...status } }
    return client.patch<RuntimeProfile>(RuntimeProfiles, { name }, patch, { kind: 'merge', subresource: 'status' })
  }

  #leave(name: string): void {
    const { drainer, lookout, metrics } = this.#options
    drainer.keep(name, [])
    lookout.forget(name)
    this.#showReason(name, undefined)
    this.#statusWrittenAtMs.delete(name)
    for (const phase of ['selected', 'ready', 'updating', 'waiting', 'failed', 'unavailable']) {
      metrics.set(rolloutNodes, { profile: name, phase }, 0)
    }
  }
}

function isCompared(member: Member): member is Known {
  const { runtime } = member
  return runtime?.spec?.permit === 'Switch' && answerOf(runtime)?.phase === 'Proven'
}

function drainsOf({ members, profile }: RolloutState, decisions: readonly Decision[]): DrainRequest[] {
  const options = drainOptions(profile)
  const drained = new Set(decisions.flatMap((decision) => (decision.kind === 'Drain' ? [decision.node] : [])))
  return members
    .filter(({ node }) => drained.has(node.name))
    .map(({ node, runtime }) => ({
      node: node.name,
      since: node.cordon?.since ?? (runtime && turnOf(runtime))?.startTime ?? '',
      ...options,
    }))
}
