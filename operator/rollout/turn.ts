/** One node's turn: from its cordon over the drain to the permit to switch. */
import { parseDuration } from '../../crds/duration.ts'
import type { NodeRuntime } from '../../crds/types.gen.ts'
import { runtimeState } from '../reports/runtime-state.ts'
import { abortBack, isAborted } from './abort.ts'
import { answerOf, drains } from './answer.ts'
import { isClosed } from './availability.ts'
import { isRepeatedProof } from './drift.ts'
import { turnOf } from './marks.ts'
import type { Decision, DrainProgress, Known, Reason, Stage, Turn, Wish } from './types.ts'

const defaultDrainTimeout = '10m'

/** The node is out of service for this order already: it is drained, then switched. */
export function isStarted(member: Known, wish: Wish): Stage | undefined {
  const { node, runtime, drain, drainSince } = member
  const { profile, now } = wish
  const since = startedAt(member)
  // Without our cordon it was a person's that stood in for ours. Whoever took it away put the node back into service:
  // it has its turn like any other, however long ago this one began.
  if (!node.cordon && (since === undefined || !isClosed(node))) return undefined
  const name = node.name
  if (isAborted(profile)) {
    return { at: 'underWay', why: draining(name), decision: giveUp(member, abortBack(name), wish) }
  }
  if (!drains(answerOf(runtime)?.action)) {
    return { at: 'underWay', why: draining(name), decision: permitSwitch(member, wish) }
  }
  // A mark of a former order, or a node that somebody uncordoned under our hands: its place is taken, so it goes on.
  if (since === undefined || !isClosed(node)) {
    return { at: 'underWay', why: draining(name), decision: cordon(name, runtime, wish) }
  }
  if (drain?.state === 'drained') return { at: 'underWay', why: draining(name), decision: permitSwitch(member, wish) }
  // Not from the cordon: the operator may have been away since, and the pods only need to be asked.
  const deadline =
    Math.min(drainSince?.getTime() ?? now.getTime(), now.getTime()) +
    parseDuration(profile.spec.rollout?.drain?.timeout ?? defaultDrainTimeout)
  if (now.getTime() < deadline) {
    const why = drain ? until(name, drain, { since, deadline }) : draining(name)
    const decision: Decision = { kind: 'Drain', node: name }
    return { at: 'underWay', why, decision, lookAgainMilliseconds: Math.max(1_000, deadline - now.getTime()) }
  }
  return { at: 'underWay', why: draining(name), decision: giveUp(member, drainTimeout(name, drain), wish) }
}

/** When the turn at this very order began: by our cordon, or on a node that somebody else cordoned by our record. */
export function startedAt({ node, runtime }: Known): string | undefined {
  const { revision, attempt } = runtime.spec ?? {}
  const start = node.cordon ?? turnOf(runtime)
  if (!start || start.revision !== revision || start.attempt !== attempt) return undefined
  return 'since' in start ? start.since : start.startTime
}

function draining(name: string): Reason {
  return { reason: 'Draining', message: `${name} is being drained` }
}

function until(name: string, drain: DrainProgress, { since, deadline }: { since: string; deadline: number }): Reason {
  if (drain.state === 'drained') return draining(name)
  const { reason, message } = drain.why
  const times = `since ${clockTime(Date.parse(since))}, gives up at ${clockTime(deadline)}`
  return { reason, message: `${message}: ${name} drains ${times}` }
}

const clockTime = (milliseconds: number): string => `${new Date(milliseconds).toISOString().slice(11, 19)} UTC`

function drainTimeout(node: string, drain: DrainProgress | undefined): Reason {
  const because = drain?.state === 'draining' ? drain.why.message : `The pods of ${node} could not be listed`
  const message = `${because}; the node was given back unchanged when rollout.drain.timeout was over`
  return { reason: 'DrainTimeout', message }
}

function giveUp(member: Known, why: Reason, { reportOf }: Wish): Decision {
  const { revision = '', attempt = 0 } = member.runtime.spec ?? {}
  const startTime = startedAt(member)
  const gaveUp = {
    revision,
    attempt,
    report: reportOf(revision),
    ...(startTime !== undefined && { startTime }),
    ...why,
  }
  return { kind: 'GiveUp', node: member.node.name, gaveUp }
}

export function cordon(node: string, { spec }: NodeRuntime, { profile, now }: Wish): Decision {
  const { revision = '', attempt = 0 } = spec ?? {}
  const mark = { profile: profile.metadata.name, revision, attempt, since: now.toISOString() }
  return { kind: 'Cordon', node, mark }
}

export function permitSwitch(member: Known, wish: Wish): Decision {
  return { kind: 'PermitSwitch', node: member.node.name, turn: beginTurn(member, wish) }
}

/** The record of a turn, with what only the time before the switch knows. */
export function beginTurn(member: Known, { now, reportOf }: Wish): Turn {
  const { node, runtime, drain } = member
  const { revision = '', attempt = 0 } = runtime.spec ?? {}
  const startTime = startedAt(member) ?? now.toISOString()
  const { change } = turnOf(runtime) ?? {}
  return {
    revision,
    attempt,
    startTime,
    ...(!isRepeatedProof(runtime) && { report: reportOf(revision) }),
    ...(drain?.state === 'drained' && { drainMilliseconds: drain.milliseconds, podsEvicted: drain.podsEvicted }),
    ...(node.heartbeat && { heartbeat: node.heartbeat }),
    before: runtimeState(runtime.status?.observed),
    ...(change && { change }),
  }
}
