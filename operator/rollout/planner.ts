/** From what is there to what to do next: the whole rollout of one profile, as a pure function. */
import { finalizer } from '../../crds/protocol.ts'
import type { RuntimeProfile } from '../../crds/types.gen.ts'
import { answerOf } from './answer.ts'
import { isUnavailable } from './availability.ts'
import { type Budget, budgetOf, list, overBudget, take } from './budget.ts'
import { inOrder } from './order.ts'
import { mustRecordFirst, reportDecisions, reportFor } from './reporting.ts'
import { revisionOf, targetOf } from './revision.ts'
import { stageOf } from './stage.ts'
import { summaryOf } from './summary.ts'
import { beginTurn, cordon, permitSwitch } from './turn.ts'
import type { Counts, Decision, Known, Member, Plan, Reason, RolloutState, Stage, Wish } from './types.ts'

export interface Staged {
  readonly member: Member
  readonly stage: Stage
}

/**
 * Guarantees: whatever the state, the decisions of one plan together take no more nodes out of service than the
 * profile allows; a node is given back only when its answer shows one whole state; carrying a decision out twice has
 * the effect of carrying it out once.
 * Assumes that the state holds every write of the caller's own that came before.
 */
export function plan(state: RolloutState, now: Date): Plan {
  const { profile, reports, formerReports } = state
  const target = targetOf(profile.spec)
  const revision = revisionOf(target)
  const isDeleting = profile.metadata.deletionTimestamp !== undefined
  const reportOf = (wanted: string): string =>
    reportFor({ profile: profile.metadata.name, reports, formerReports }, wanted)
  const wish = { profile, target, revision, reportOf, now }
  const members = inOrder(state.members)
  const staged = members.map((member) => ({
    member,
    stage: stageOf(member, wish),
  }))
  const stop = stopReason(profile, staged)
  const { started, waits } = startTurns(state, staged, stop)
  const reporting = { reportOf, revision, isDeleting, isStopped: stop?.reason === failureBudget }
  const decisions = [
    ...finalizing(profile),
    ...reportDecisions({ ...reporting, reports, staged, started }),
    ...staged.flatMap((one) => ownDecision(one, state)),
    ...started.map((member) => firstStep(member, wish)),
    ...releasing(profile, members),
  ]
  const summary = summaryOf({ profile, staged, stop, waits, started, isDeleting })
  return {
    revision,
    decisions:
      isDeleting || hasFinalizer(profile) ? decisions : decisions.filter(({ kind }) => kind === 'AddFinalizer'),
    ...summary,
    counts: countsOf(staged),
    report: reports.find(({ name }) => name === reportOf(revision))?.name ?? latest(state, revision),
    lookAgainMilliseconds: soonest(staged),
  }
}

const failureBudget = 'FailureBudget'

/** Why no further node starts; undefined when nodes may. */
function stopReason({ spec, metadata }: RuntimeProfile, staged: readonly Staged[]): Reason | undefined {
  const failed = staged.filter(({ stage }) => stage.at === 'failed')
  const limit = spec.rollout?.failureBudget ?? 1
  const first = failed[0]
  if (first?.stage.at === 'failed' && failed.length >= limit) {
    const names = list(failed.map(({ member }) => member.node.name))
    const message = `The rollout stopped: ${failed.length} of ${limit} allowed failures (${names}). ${first.stage.why.message}`
    return { reason: failureBudget, message }
  }
  if (!spec.rollout?.paused) return undefined
  return { reason: 'Paused', message: `The rollout is paused: set spec.rollout.paused of ${metadata.name} to false` }
}

/** What the node's own stage asks for, whatever the others do. */
function ownDecision({ member, stage }: Staged, { reports }: RolloutState): Decision[] {
  if (!('decision' in stage) || stage.decision === undefined) return []
  const isReplacing = stage.at === 'ordering' || stage.at === 'releasing'
  return isReplacing && mustRecordFirst(reports, member) ? [] : [stage.decision]
}

interface Turns {
  readonly started: readonly Known[]
  /** Why the first node that could start does not. */
  readonly waits: Reason | undefined
}

/** Takes the next nodes out of service, as many as fit. A node that cannot be changed now lets the next one pass. */
function startTurns(state: RolloutState, staged: readonly Staged[], stop: Reason | undefined): Turns {
  const started: Known[] = []
  let budget = budgetOf(state.members, state.profile.spec.rollout?.maxUnavailable)
  let waits: Reason | undefined
  const busy = [...state.busyControlPlane]
  for (const { member, stage } of staged) {
    if (stage.at !== 'startable' || !isKnown(member)) continue
    const why = stop ?? obstacle(member, { budget, staged, busy })
    waits ??= why
    if (why) continue
    budget = take(budget, member.node.name)
    if (member.node.controlPlane) busy.push(member.node.name)
    started.push(member)
  }
  return { started, waits }
}

interface Circumstances {
  readonly budget: Budget
  readonly staged: readonly Staged[]
  readonly busy: readonly string[]
}

function obstacle({ node }: Known, { budget, staged, busy }: Circumstances): Reason | undefined {
  if (node.deleting) return { reason: 'NodeDeleting', message: `${node.name} waits: its Node is being deleted` }
  if (!node.ready) return { reason: 'NodeNotReady', message: `${node.name} waits: its Node is not Ready` }
  const over = overBudget(budget, node.name)
  if (over || !node.controlPlane) return over
  const workers = staged.filter(({ member, stage }) => !member.node.controlPlane && isAhead(member, stage))
  if (workers.length > 0) {
    const names = list(workers.map(({ member }) => member.node.name))
    return { reason: 'WorkersFirst', message: `${node.name} is of the control plane and waits for ${names}` }
  }
  const others = busy.filter((name) => name !== node.name)
  if (others.length === 0) return undefined
  const message = `${node.name} is of the control plane and waits: ${list(others)} of the control plane is not in service`
  return { reason: 'ControlPlaneBusy', message }
}

/** A worker that will have its turn before the control plane has. */
function isAhead({ node }: Member, { at }: Stage): boolean {
  if (at === 'underWay' || at === 'returning') return true
  return node.ready && !node.deleting && (at === 'ordering' || at === 'preparing' || at === 'startable')
}

function firstStep(member: Known, wish: Wish): Decision {
  const { node, runtime } = member
  if (answerOf(runtime)?.action !== 'DrainRestart') return permitSwitch(member, wish)
  // The cordon is a person's and stays: our record of the turn stands in for it.
  if (node.unschedulable) return { kind: 'BeginTurn', node: node.name, turn: beginTurn(member, wish) }
  return cordon(node.name, runtime, wish)
}

const isKnown = (member: Member): member is Known => member.runtime !== undefined

const hasFinalizer = ({ metadata }: RuntimeProfile): boolean => metadata.finalizers?.includes(finalizer) ?? false

/** The finalizer is there before the first order. */
function finalizing(profile: RuntimeProfile): Decision[] {
  return profile.metadata.deletionTimestamp !== undefined || hasFinalizer(profile) ? [] : [{ kind: 'AddFinalizer' }]
}

/** It leaves after everything else: with it goes the profile, and with the profile the next plan. */
function releasing(profile: RuntimeProfile, members: readonly Member[]): Decision[] {
  const isLast = profile.metadata.deletionTimestamp !== undefined && members.length === 0
  return isLast && hasFinalizer(profile) ? [{ kind: 'RemoveFinalizer' }] : []
}

function countsOf(staged: readonly Staged[]): Counts {
  const count = (...stages: readonly Stage['at'][]): number =>
    staged.filter(({ stage }) => stages.includes(stage.at)).length
  return {
    selected: staged.filter(({ member }) => member.intent.kind === 'target' || member.intent.kind === 'hold').length,
    ready: count('done'),
    updating: count('underWay', 'returning'),
    waiting: count('waiting', 'ordering', 'releasing', 'preparing', 'startable', 'held', 'drifted'),
    failed: count('failed'),
    unavailable: staged.filter(({ member }) => isUnavailable(member)).length,
  }
}

function latest({ reports }: RolloutState, revision: string): string | undefined {
  return reports.filter((report) => report.revision === revision).at(-1)?.name
}

function soonest(staged: readonly Staged[]): number | undefined {
  const times = staged.flatMap(({ stage }) => (stage.at === 'underWay' ? (stage.lookAgainMilliseconds ?? []) : []))
  return times.length === 0 ? undefined : Math.min(...times)
}
