/** Which nodes have their turn now, and what holds the others back. */
import type { RuntimeProfile } from '../../crds/types.gen.ts'
import { abortStop, isAborted } from './abort.ts'
import { budgetOf, list, maxUnavailable, overBudget, take } from './budget.ts'
import { type Canary, canaryOf } from './canary.ts'
import type { Candidate, Circumstances } from './candidate.ts'
import { isGated, mayNotEvict } from './looks.ts'
import { asSeen } from './reproof.ts'
import type { Delay, Known, Member, Question, Reason, RolloutState, Stage, Staged, Wish } from './types.ts'
import { type Opening, outsideWindow, windowInvalid } from './window.ts'

export interface Start {
  readonly started: readonly Known[]
  /** Why no further node starts, whichever it is. */
  readonly stop: Reason | undefined
  /** Why the first node that could start does not. */
  readonly waits: Reason | undefined
  /** When a node may start although no object changes. In milliseconds from now. */
  readonly lookAgainMilliseconds: number | undefined
  /** What must be known before anything more starts. */
  readonly questions: readonly Question[]
}

/** A node that could start, and why it does not. */
type Delayed = Delay & { readonly candidate: Candidate }

type Obstacle = (candidate: Candidate, circumstances: Circumstances) => Delay | undefined

/** In order; the first that speaks holds the node back. */
const obstacles: readonly Obstacle[] = [
  isLeaving, // its change would be for nothing
  isDown, // nobody there who could change it
  isOutsideWindow, // people want no disruption at this time
  waitsForCanary, // what has not proven itself on a few is not done to many
  isOverBudget, // too many are out of service
  isControlPlane, // after all workers, and one at a time
  isGated, // people know of something that must not be disturbed
  mayNotEvict, // its drain would only wait, with the node out of service
]

/** Takes the next nodes out of service, as many as fit. A node that cannot be changed now lets the next one pass. */
export function startTurns(state: RolloutState, staged: readonly Staged[], wish: Wish): Start {
  const { window } = state
  const canary = canaryOf(asSeen(staged, wish.now), wish)
  const stop = stopReason(state.profile, staged, { window, canary })
  let budget = budgetOf(state.members, state.profile.spec.rollout?.maxUnavailable)
  const busy = [...state.busyControlPlane]
  const started: Known[] = []
  const delays: Delayed[] = []
  const common = { profile: state.profile, looks: state.looks, staged, now: wish.now, window, canary }
  for (const candidate of staged.filter(isCandidate)) {
    const { node } = candidate.member
    const delay = stop ? { why: stop } : firstObstacle(candidate, { ...common, budget, busy })
    if (delay) delays.push({ ...delay, candidate })
    else started.push(candidate.member)
    if (delay && !mayBeFree(delay)) continue
    // The place of a node that is asked about is taken: no more are asked about than could start.
    budget = take(budget, node.name)
    if (node.controlPlane) busy.push(node.name)
  }
  const times = delays.flatMap(({ lookAgainMilliseconds }) => lookAgainMilliseconds ?? [])
  const lookAgainMilliseconds = times.length === 0 ? undefined : Math.min(...times)
  // What holds a canary back holds all the others back, too.
  const isCanary = ({ candidate }: Delayed): boolean =>
    canary?.delay !== undefined && canary.names.has(candidate.member.node.name)
  const telling = delays.find(isCanary) ?? delays[0]
  const questions = questionsOf([...delays, ...nextDelays(delays, { ...common, budget, busy })])
  return { started, stop, waits: telling?.why, lookAgainMilliseconds, questions }
}

/** What would hold those back who take the places that this plan gives back: it is asked while they are given back. */
function nextDelays(delays: readonly Delayed[], circumstances: Circumstances): Delay[] {
  const { budget, staged } = circumstances
  const isComing = ({ member, stage }: Staged): boolean =>
    stage.at === 'returning' && budget.unavailable.has(member.node.name)
  let places = staged.filter(isComing).length
  const next: Delay[] = []
  for (const { why, candidate } of delays) {
    if (places === 0) break
    if (why.reason !== maxUnavailable) continue
    const delay = firstObstacle(candidate, { ...circumstances, budget: { ...budget, limit: budget.limit + places } })
    if (delay) next.push(delay)
    if (!delay || delay.question) places--
  }
  return next
}

const mayBeFree = ({ question }: Delay): boolean =>
  question?.ask === 'gates' || (question !== undefined && !question.isRepeated)

/** The gates are asked about once for all nodes. */
function questionsOf(delays: readonly Delay[]): Question[] {
  const questions = delays.flatMap(({ question }) => question ?? [])
  const gates = questions.find(({ ask }) => ask === 'gates')
  return gates ? [gates] : questions
}

const isCandidate = (one: Staged): one is Candidate => one.stage.at === 'startable' && one.member.runtime !== undefined

interface Verdicts {
  readonly window: Opening | undefined
  readonly canary: Canary | undefined
}

const failureBudget = 'FailureBudget'
const paused = 'Paused'

function stopReason(
  profile: RuntimeProfile,
  staged: readonly Staged[],
  { window, canary }: Verdicts,
): Reason | undefined {
  if (isAborted(profile)) return abortStop(profile)
  const { spec, metadata } = profile
  const failed = staged.filter(({ stage }) => stage.at === 'failed')
  const limit = spec.rollout?.failureBudget ?? 1
  const first = failed[0]
  if (first?.stage.at === 'failed' && failed.length >= limit) {
    const names = list(failed.map(({ member }) => member.node.name))
    const message = `The rollout stopped: ${failed.length} of ${limit} allowed failures (${names}). ${first.stage.why.message}`
    return { reason: failureBudget, message }
  }
  if (canary?.stop) return canary.stop
  if (window?.is === 'invalid') return window.why
  if (!spec.rollout?.paused) return undefined
  return { reason: paused, message: `The rollout is paused: set spec.rollout.paused of ${metadata.name} to false` }
}

/** Nodes failed, and the record of this try closes with it. */
export const endsReport = ({ reason }: Reason): boolean => ![paused, windowInvalid].includes(reason)

function firstObstacle(candidate: Candidate, circumstances: Circumstances): Delay | undefined {
  for (const obstacle of obstacles) {
    const delay = obstacle(candidate, circumstances)
    if (delay) return delay
  }
  return undefined
}

function isLeaving({ member: { node } }: Candidate): Delay | undefined {
  if (!node.deleting) return undefined
  return { why: { reason: 'NodeDeleting', message: `${node.name} waits: its Node is being deleted` } }
}

function isDown({ member: { node } }: Candidate): Delay | undefined {
  if (node.ready) return undefined
  return { why: { reason: 'NodeNotReady', message: `${node.name} waits: its Node is not Ready` } }
}

function isOutsideWindow({ member, stage }: Candidate, { window, now }: Circumstances): Delay | undefined {
  // Nothing runs there yet that could be disrupted, and people wait for the node.
  if (member.node.startupTaint) return undefined
  return outsideWindow(window, member.node.name, { action: stage.action, now })
}

function waitsForCanary({ member: { node, intent } }: Candidate, { canary }: Circumstances): Delay | undefined {
  return intent.kind === 'target' && !canary?.names.has(node.name) ? canary?.delay : undefined
}

function isOverBudget({ member: { node } }: Candidate, { budget }: Circumstances): Delay | undefined {
  // It was never in service; were it held back for others like it, none of them would ever come.
  if (node.startupTaint) return undefined
  const why = overBudget(budget, node.name)
  return why && { why }
}

function isControlPlane({ member: { node } }: Candidate, { staged, busy }: Circumstances): Delay | undefined {
  if (!node.controlPlane) return undefined
  const workers = staged.filter(({ member, stage }) => !member.node.controlPlane && isAhead(member, stage))
  // One that joins takes a place that workers may wait for.
  if (workers.length > 0 && !node.startupTaint) {
    const names = list(workers.map(({ member }) => member.node.name))
    const message = `${node.name} is of the control plane and waits for ${names}`
    return { why: { reason: 'WorkersFirst', message } }
  }
  const others = busy.filter((name) => name !== node.name)
  if (others.length === 0) return undefined
  const message = `${node.name} is of the control plane and waits: ${list(others)} of the control plane is not in service`
  return { why: { reason: 'ControlPlaneBusy', message } }
}

/** A worker that will have its turn before the control plane has. */
function isAhead({ node }: Member, { at }: Stage): boolean {
  if (at === 'underWay' || at === 'returning') return true
  return node.ready && !node.deleting && (at === 'ordering' || at === 'preparing' || at === 'startable')
}
