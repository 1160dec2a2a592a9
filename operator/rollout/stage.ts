/** Where one node is: the protocol between operator and node as a chain of questions. */
import { annotations, originalRevision } from '../../crds/protocol.ts'
import type { NodeRuntime } from '../../crds/types.gen.ts'
import { abortBack, isAborted, mustGoBack, wasAborted } from './abort.ts'
import { answerOf, isBygone, isOpen, isQuiet } from './answer.ts'
import { criSocketChanges } from './cri-socket.ts'
import { hasDrifted, verdictOn } from './drift.ts'
import { gateTimeoutMilliseconds, shortcoming } from './gate.ts'
import { hasLabels, provenHandlers } from './handlers.ts'
import { turnOf } from './marks.ts'
import { outcomeOf } from './outcome.ts'
import { isOutdated, outdated, pauseLeft } from './outdated.ts'
import { beginTurn, cordon, isStarted } from './turn.ts'
import type { Decision, Known, Member, Order, Reason, Stage, Wish } from './types.ts'

type Question = (member: Known, wish: Wish) => Stage | undefined

/** How often the Node is read while a commit waits for it. */
export const gateLookMilliseconds = 5_000

/** How long the agent of a Ready node may take to its first answer. */
const agentTimeoutMilliseconds = 600_000

/** The first question that has an answer decides. Their order is the protocol: nothing is begun before the former is ended. */
const questions: readonly Question[] = [
  isForeign, // another node of the same name had this NodeRuntime
  isHandedOver, // another profile does all that is left to do
  isMoving, // a change under way finishes its own revision first
  mustReturn, // an ended change gives its node back before anything else begins
  isHeld, // several profiles select the node
  isUnknown, // whether there is anything to restore, only its agent can say
  mustRelease, // the node belongs to nobody any more
  needsOrder, // it works at something else than what is wanted
  isDrifted, // it is not what was committed, and is not to be repaired now
  hasEnded, // committed, refused, rolled back, failed
  isPreparing, // the agent looks at the order
  isStarted, // cordoned for this order: the drain goes on
]

export function stageOf(member: Member, wish: Wish): Stage {
  const { runtime, node } = member
  if (!runtime) {
    return { at: 'waiting', why: { reason: 'NoNodeRuntime', message: `${node.name} has no NodeRuntime yet` } }
  }
  for (const question of questions) {
    const stage = question({ ...member, runtime }, wish)
    if (stage) return stage
  }
  return { at: 'startable', action: answerOf(runtime)?.action ?? 'DrainSwitch' }
}

function isForeign({ node, runtime }: Known): Stage | undefined {
  const uid = runtime.spec?.nodeUID
  if (uid === undefined || uid === node.uid) return undefined
  const message = `${node.name} is a new node; the NodeRuntime of the former one must be collected first`
  return { at: 'waiting', why: { reason: 'ForeignNodeRuntime', message } }
}

function isHandedOver({ node, intent }: Known): Stage | undefined {
  if (intent.kind !== 'handOver') return undefined
  const message = `${node.name} is handed over to RuntimeProfile ${intent.to}`
  return { at: 'waiting', why: { reason: 'HandOver', message } }
}

function isMoving(member: Known, wish: Wish): Stage | undefined {
  const { node, runtime, gateMilliseconds } = member
  if (!isOpen(runtime)) return undefined
  const answer = answerOf(runtime)
  if (mustGoBack(member, wish.profile)) {
    return { at: 'underWay', why: moving(member), decision: rollBack(member, abortBack(node.name), wish) }
  }
  if (answer?.phase !== 'Proven' || runtime.spec?.permit === 'Rollback') return { at: 'underWay', why: moving(member) }
  if (runtime.spec?.permit === 'Commit') {
    return { at: 'underWay', why: { reason: 'Committing', message: `${node.name} is proven and commits` } }
  }
  const why = shortcoming(member)
  if (!why) {
    const turn = { ...(turnOf(runtime) ?? beginTurn(member, wish)), provenTime: wish.now.toISOString() }
    const decision: Decision = { kind: 'PermitCommit', node: node.name, turn }
    return { at: 'underWay', why: { reason: 'Proven', message: `${node.name} is proven` }, decision }
  }
  if (gateMilliseconds < gateTimeoutMilliseconds)
    return { at: 'underWay', why, lookAgainMilliseconds: gateLookMilliseconds }
  const message = `${why.message}; it was rolled back after ${gateTimeoutMilliseconds / 1000} s`
  return { at: 'underWay', why, decision: rollBack(member, { ...why, message }, wish) }
}

function rollBack({ runtime }: Known, why: Reason, { reportOf }: Wish): Decision {
  const { revision = '', attempt = 0 } = runtime.spec ?? {}
  const report = runtime.metadata.annotations?.[annotations.report] ?? reportOf(revision)
  return { kind: 'PermitRollback', node: runtime.metadata.name, gaveUp: { revision, attempt, report, ...why } }
}

function moving({ node, runtime }: Known): Reason {
  const name = node.name
  const isBack = runtime.spec?.permit === 'Rollback' || answerOf(runtime)?.phase === 'RollingBack'
  if (isBack) return { reason: 'RollingBack', message: `${name} is being rolled back` }
  if (node.ready) return { reason: 'Switching', message: `${name} is being switched` }
  return { reason: 'Switching', message: `${name} is being switched; its Node is not Ready at the moment` }
}

/** Nothing is given back on a guess: the answer must show that the node is wholly in one state. */
function mustReturn(member: Known, wish: Wish): Stage | undefined {
  const { node, runtime, intent } = member
  if (!isQuiet(runtime)) return undefined
  const ended = outcomeOf(runtime)
  const isCommitted = ended?.result === 'Committed'
  const handlers = isCommitted ? provenHandlers(runtime) : undefined
  const changes = isCommitted ? criSocketChanges(member) : undefined
  const isWanted = ended === undefined && intent.kind !== 'hold' && !isOther(member, wish) && !isUntouched(member)
  const isStale = (node.cordon !== undefined && !isWanted) || (isCommitted && node.startupTaint)
  if (!isStale && !changes && (handlers === undefined || hasLabels(node.labels, handlers))) return undefined
  const decision: Decision = {
    kind: 'Return',
    node: node.name,
    handlers,
    admits: isCommitted,
    ...(changes && { annotations: changes }),
  }
  return { at: 'returning', decision }
}

function isHeld({ node, intent }: Known): Stage | undefined {
  if (intent.kind !== 'hold') return undefined
  const message = `${node.name} is also selected by RuntimeProfile ${intent.others.join(', ')}: change a nodeSelector so that one profile selects it`
  return { at: 'held', why: { reason: 'Conflict', message } }
}

/**
 * A Node that was registered anew has a new NodeRuntime, without a word of what Drydock did on that host. An agent that
 * does not come on a Ready node in all that time will not: Drydock was never there.
 */
function isUnknown(member: Known, { now }: Wish): Stage | undefined {
  const { node, runtime } = member
  if (runtime.status?.phase !== undefined || !isUntouched(member)) return undefined
  const age = now.getTime() - (Date.parse(runtime.metadata.creationTimestamp ?? '') || 0)
  if (node.ready && age >= agentTimeoutMilliseconds) return undefined
  const message = `${node.name} has not said yet whether there is anything to restore: its agent pod is not running; delete the Node if it does not come back`
  return {
    at: 'waiting',
    why: { reason: 'NoAnswer', message },
    ...(age < agentTimeoutMilliseconds && { lookAgainMilliseconds: agentTimeoutMilliseconds - age }),
  }
}

function mustRelease(member: Known): Stage | undefined {
  const { node, runtime, intent } = member
  if (intent.kind !== 'original') return undefined
  const isRestored = runtime.spec?.revision === originalRevision && answerOf(runtime)?.phase === 'Committed'
  if (!isRestored && !isUntouched(member)) return undefined
  return { at: 'releasing', decision: { kind: 'Release', node: node.name } }
}

function needsOrder(member: Known, wish: Wish): Stage | undefined {
  const { node, runtime } = member
  const { revision: former, permit } = runtime.spec ?? {}
  const wanted = wantedOf(member, wish)
  const isNew = former !== wanted.revision || permit === 'Observe' || permit === 'Remove' || isBygone(runtime)
  const isDue = isOutdated(runtime) && pauseLeft(runtime, wish.now) <= 0
  const repairs = repairsDue(member, wish)
  if (isNew || isDue || isRetry(member, wish) || repairs) {
    const attempt = nextAttempt(runtime, wanted.revision)
    const order = { ...wanted, attempt, report: wish.reportOf(wanted.revision), ...(repairs && { repairs }) }
    return { at: 'ordering', decision: { kind: 'Order', node: node.name, order } }
  }
  if (runtime.spec?.profile === wish.profile.metadata.name) return undefined
  return { at: 'ordering', decision: { kind: 'Adopt', node: node.name } }
}

/** The repairs with the one that is due, if one is. What people ask for is none, and begins the count anew. */
function repairsDue(member: Known, wish: Wish): readonly string[] | undefined {
  if (!hasDrifted(member.runtime) || isRetry(member, wish)) return undefined
  const verdict = verdictOn(member, wish)
  return verdict.do === 'repair' ? verdict.repairs : undefined
}

function isDrifted(member: Known, wish: Wish): Stage | undefined {
  const verdict = hasDrifted(member.runtime) ? verdictOn(member, wish) : undefined
  if (verdict?.do !== 'wait') return undefined
  const { do: _, ...hold } = verdict
  return { at: 'drifted', ...hold }
}

function hasEnded({ node, runtime }: Known, wish: Wish): Stage | undefined {
  const outcome = outcomeOf(runtime)
  if (outcome === undefined) return undefined
  if (outcome.result === 'Committed') return { at: 'done' }
  // Without the annotation it would have a new order already.
  if (wasAborted(runtime)) return { at: 'waiting', why: abortBack(node.name) }
  if (isOutdated(runtime)) {
    return { at: 'waiting', why: outdated(outcome.why), lookAgainMilliseconds: pauseLeft(runtime, wish.now) }
  }
  // A node whose state nobody could prove takes no pods, even if its change needed no drain. Once: a person who uncordons it means it.
  const isExposed = outcome.result === 'Failed' && !node.unschedulable && !node.cordon
  return { at: 'failed', why: outcome.why, ...(isExposed && { decision: cordon(node.name, runtime, wish) }) }
}

function isPreparing({ node, runtime }: Known): Stage | undefined {
  if (answerOf(runtime)?.phase === 'Prepared') return undefined
  if (!node.ready) {
    return { at: 'waiting', why: { reason: 'NodeNotReady', message: `${node.name} waits: its Node is not Ready` } }
  }
  const message = runtime.status?.phase
    ? `${node.name} is being prepared`
    : `${node.name} has not answered yet: its agent pod is not running`
  return { at: 'preparing', why: { reason: 'Preparing', message } }
}

function wantedOf({ intent }: Known, { revision, target }: Wish): Pick<Order, 'revision' | 'target'> {
  return intent.kind === 'original' ? { revision: originalRevision, target: undefined } : { revision, target }
}

/** Never one that the agent has spoken of already: its old answer would pass for the answer to the new order. */
function nextAttempt({ spec, status }: NodeRuntime, revision: string): number {
  const known = [spec, status].map((half) => (half?.revision === revision ? (half.attempt ?? 0) : 0))
  return 1 + Math.max(...known)
}

function isRetry({ runtime }: Known, { profile }: Wish): boolean {
  if (wasAborted(runtime) && outcomeOf(runtime)) return !isAborted(profile)
  const asked = profile.metadata.annotations?.[annotations.retry]
  const outcome = outcomeOf(runtime)
  if (asked === undefined || asked === runtime.metadata.annotations?.[annotations.retry]) return false
  return hasDrifted(runtime) || (outcome !== undefined && outcome.result !== 'Committed')
}

/** The node's order is not the one that is wanted. */
function isOther(member: Known, wish: Wish): boolean {
  return member.runtime.spec?.revision !== wantedOf(member, wish).revision
}

/**
 * Drydock committed nothing on the node, changed nothing on its host, left nothing open, and has not begun to restore
 * it. A node that still bears our cordon and has not answered may have failed under an order before this one: it is no
 * such node.
 */
function isUntouched({ node, runtime, intent }: Known): boolean {
  if (intent.kind !== 'original' || node.cordon) return false
  const hasCommitted = runtime.metadata.annotations?.[annotations.committed] !== undefined
  // Of the host, whatever the order: the answer to a former one will do.
  if (hasCommitted || runtime.status?.changed) return false
  return answerOf(runtime)?.phase !== 'Failed' && runtime.spec?.revision !== originalRevision
}
