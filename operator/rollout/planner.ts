/** From what is there to what to do next: the whole rollout of one profile, as a pure function. */
import { finalizer } from '../../crds/protocol.ts'
import type { RuntimeProfile } from '../../crds/types.gen.ts'
import { answerOf, drains } from './answer.ts'
import { isClosed, isUnavailable } from './availability.ts'
import { isRepeatedProof } from './drift.ts'
import { inOrder } from './order.ts'
import { mustRecordFirst, reportDecisions, reportFor } from './reporting.ts'
import { asSeen, isOnlyProven, reproofOf } from './reproof.ts'
import { revisionOf, targetOf } from './revision.ts'
import { stageOf } from './stage.ts'
import { endsReport, startTurns } from './start.ts'
import { summaryOf } from './summary.ts'
import { beginTurn, cordon, permitSwitch } from './turn.ts'
import type { Counts, Decision, Known, Member, Plan, RolloutState, Stage, Staged, Wish } from './types.ts'

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
  const { started, stop, waits, lookAgainMilliseconds, questions } = startTurns(state, staged, wish)
  const reproof = reproofOf(state, staged, { wish, stop })
  const reporting = { reportOf, revision, isDeleting, isStopped: stop !== undefined && endsReport(stop) }
  const decisions = [
    ...finalizing(profile),
    ...reportDecisions({ ...reporting, reports, staged, started }),
    ...staged.flatMap((one) => ownDecision(one, state)),
    ...started.map((member) => firstStep(member, wish)),
    ...(reproof.decision ? [reproof.decision] : []),
    ...releasing(profile, members),
  ]
  const seen = asSeen(staged, now)
  const isWaiting = seen.some(({ stage }) => stage.at === 'startable')
  const summary = summaryOf({
    profile,
    staged: seen,
    stop,
    waits: isWaiting ? waits : undefined,
    started: started.filter(({ runtime }) => !isRepeatedProof(runtime)),
    isDeleting,
  })
  return {
    revision,
    decisions:
      isDeleting || hasFinalizer(profile) ? decisions : decisions.filter(({ kind }) => kind === 'AddFinalizer'),
    ...summary,
    counts: countsOf(seen),
    report: reports.find(({ name }) => name === reportOf(revision))?.name ?? latest(state, revision),
    lookAgainMilliseconds: soonest(staged, [lookAgainMilliseconds, reproof.lookAgainMilliseconds]),
    questions,
  }
}

/** What the node's own stage asks for, whatever the others do. */
function ownDecision({ member, stage }: Staged, { reports }: RolloutState): Decision[] {
  if (!('decision' in stage) || stage.decision === undefined) return []
  const isReplacing = stage.at === 'ordering' || stage.at === 'releasing'
  return isReplacing && mustRecordFirst(reports, member) ? [] : [stage.decision]
}

function firstStep(member: Known, wish: Wish): Decision {
  const { node, runtime } = member
  if (!drains(answerOf(runtime)?.action)) return permitSwitch(member, wish)
  // The cordon is a person's and stays, and the startup taint is as good: our record of the turn stands in for ours.
  if (isClosed(node)) return { kind: 'BeginTurn', node: node.name, turn: beginTurn(member, wish) }
  return cordon(node.name, runtime, wish)
}

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
    unavailable: staged.filter((one) => isUnavailable(one.member) && !isOnlyProven(one)).length,
  }
}

function latest({ reports }: RolloutState, revision: string): string | undefined {
  return reports.filter((report) => report.revision === revision).at(-1)?.name
}

/** A timer holds 24 days, and the clock of the operator may be set meanwhile. */
const longestMilliseconds = 3_600_000

function soonest(staged: readonly Staged[], others: readonly (number | undefined)[]): number | undefined {
  const times = [
    ...staged.flatMap(({ stage }) => ('lookAgainMilliseconds' in stage ? (stage.lookAgainMilliseconds ?? []) : [])),
    ...others.filter((time) => time !== undefined),
  ]
  return times.length === 0 ? undefined : Math.min(...times, longestMilliseconds)
}
