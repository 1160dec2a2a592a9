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
import type { Decision, Known, Member, NodeView, Plan, Reason, RolloutState } from '../../rollout/types.ts'
import type { DrainRequest } from '../drain/drain.ts'
import type { Drainer } from '../drain/drainer.ts'
import { type NodeObject, viewOf } from '../node/view.ts'
import { refresh } from '../store-write.ts'
import { type Executor, execute, type Seen, seenBy, settle } from './execute.ts'
import type { GateTimer } from './gate-timer.ts'
import { gather, type Memory, type Stores } from './gather.ts'
import { drainOptions, type Lookout } from './lookout.ts'
import { statusOf } from './status.ts'
import { WindowClock } from './window-clock.ts'

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

/**
 * The rollouts of all profiles. Must be given one profile at a time: a control-plane node of one is seen by the plans
 * of the others only after it was written.
 */
export class ProfileController {
  readonly #options: ProfileControllerOptions
  readonly #statusWrittenAtMs = new Map<string, number>()
  readonly #reasons = new Map<string, string>()
  readonly #windows: WindowClock
  /** Of each Node as it was read: most are the same from one plan to the next. */
  readonly #views = new WeakMap<NodeObject, NodeView>()

  constructor(options: ProfileControllerOptions) {
    this.#options = options
    this.#windows = new WindowClock(options.clock)
  }

  async reconcile(name: string): Promise<ReconcileResult> {
    const { stores, drainer } = this.#options
    for (let round = 1; ; round++) {
      const profile = stores.profiles.get(name)
      if (!profile) {
        this.#leave(name)
        return {}
      }
      const { state, planned, seen } = await this.#plan(profile)
      const { hasNews, errors } = await this.#carryOut(profile, planned, seen)
      drainer.keep(name, drainsOf(state, planned.decisions))
      if (errors.length > 0) {
        await this.#conclude(name, { ...planned, why: withError(planned.why, errors) })
        throw errors[0]
      }
      if (!hasNews || round === longestChain) return this.#conclude(name, planned)
    }
  }

  async #plan(profile: RuntimeProfile): Promise<{ state: RolloutState; planned: Plan; seen: Seen }> {
    const { stores, drainer, gate, lookout, clock } = this.#options
    const memory: Memory = {
      view: (node) => this.#view(node),
      drain: (node) => drainer.progress(node),
      drainSince: (node) => drainer.since(node),
      gateMilliseconds: (runtime) => gate.milliseconds(runtime),
      window: (of) => this.#windows.opening(of),
      gates: (of) => lookout.gates(of),
      evictions: (node) => lookout.evictions(node),
    }
    let state = gather(profile, stores, memory)
    if (await this.#look(state.members)) state = gather(profile, stores, memory)
    const planned = plan(state, clock.now())
    return { state, planned, seen: seenBy(planned.decisions, stores) }
  }

  #view(node: NodeObject): NodeView {
    const known = this.#views.get(node)
    if (known) return known
    const view = viewOf(node)
    this.#views.set(node, view)
    return view
  }

  /**
   * Writes what was decided, and asks meanwhile what must be known before anything more starts: nodes under way do not
   * wait for those that are next. Without news another plan would be the same.
   */
  async #carryOut(
    profile: RuntimeProfile,
    { decisions, questions }: Plan,
    seen: Seen,
  ): Promise<{ hasNews: boolean; errors: readonly unknown[] }> {
    const { executor, lookout } = this.#options
    const [{ writes, errors }, [asking]] = await Promise.all([
      execute(executor, { profile, decisions, seen }),
      Promise.allSettled([questions.length > 0 && lookout.ask(profile, questions)]),
    ])
    if (asking.status === 'rejected') return { hasNews: true, errors: [...errors, asking.reason] }
    return { hasNews: writes > 0 || asking.value, errors }
  }

  /**
   * Reads the Nodes that a commit waits for: neither a slow watch nor a gap in it must lead to a rollback. False when
   * there was none to read.
   */
  async #look(members: readonly Member[]): Promise<boolean> {
    const { client, stores, gate } = this.#options
    const waiting = members
      .filter(isCompared)
      .filter((member) => gate.isDue(member.runtime) && shortcoming(member) !== undefined)
    if (waiting.length === 0) return false
    const errors = await settle(
      waiting.map(({ runtime }) => async () => {
        await refresh(client, { type: Nodes, store: stores.nodes, name: runtime.metadata.name })
        gate.looked(runtime)
      }),
    )
    if (errors.length > 0) throw errors[0]
    return true
  }

  async #conclude(name: string, planned: Plan): Promise<ReconcileResult> {
    const { metrics } = this.#options
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
    this.#windows.forget(name)
    this.#showReason(name, undefined)
    this.#statusWrittenAtMs.delete(name)
    for (const phase of ['selected', 'ready', 'updating', 'waiting', 'failed', 'unavailable']) {
      metrics.set(rolloutNodes, { profile: name, phase }, 0)
    }
  }
}

/** The one that is named does not depend on which write was the first to fail. */
function withError({ reason, message }: Reason, errors: readonly unknown[]): Reason {
  const [first] = errors.map((error) => (error as Error).message).sort()
  return { reason, message: `${message}. A request failed and is tried again: ${first}` }
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
