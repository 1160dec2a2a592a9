/** `verify.every`: nodes that have converged are proven again as they are, one at a time. */
import { parseDuration } from '../../crds/duration.ts'
import type { NodeRuntime } from '../../crds/types.gen.ts'
import { isOut } from './availability.ts'
import { budgetOf, overBudget } from './budget.ts'
import { isRepeatedProof } from './drift.ts'
import { repairsOf, turnOf } from './marks.ts'
import type { Change, Decision, Known, Reason, RolloutState, Stage, Staged, Wish } from './types.ts'

export interface Reproof {
  readonly decision?: Decision
  /** When the next one is due. In milliseconds from now. */
  readonly lookAgainMilliseconds?: number
}

const moving: readonly Stage['at'][] = ['ordering', 'preparing', 'startable', 'underWay', 'returning', 'releasing']

/** The next proof, when it is due and nothing else goes on: a rollout comes first, and the kubelet rests for a moment. */
export function reproofOf(
  { profile, members, window }: RolloutState,
  staged: readonly Staged[],
  { wish, stop }: { wish: Wish; stop: Reason | undefined },
): Reproof {
  const { verify, rollout } = profile.spec
  const times = staged.filter(({ stage }) => moving.includes(stage.at)).map((one) => timeLeft(one, wish.now))
  const going = times.filter((time) => time > 0)
  if (going.length > 0) return lookAgainIn(Math.min(...going))
  if (verify?.every === undefined || stop || profile.metadata.deletionTimestamp) return {}
  const every = parseDuration(verify.every)
  const [next] = staged
    .flatMap((one) => provenOf(one) ?? [])
    .map(({ member, provenAt }) => ({ member, dueInMilliseconds: provenAt + every - wish.now.getTime() }))
    .toSorted((a, b) => a.dueInMilliseconds - b.dueInMilliseconds)
  if (!next) return {}
  if (next.dueInMilliseconds > 0) return { lookAgainMilliseconds: next.dueInMilliseconds }
  if (window?.is === 'closed') return { lookAgainMilliseconds: window.until.getTime() - wish.now.getTime() }
  if (overBudget(budgetOf(members, rollout?.maxUnavailable), next.member.node.name)) return {}
  return { decision: order(next.member, wish) }
}

/** From the order of a proof, and again from its beginning. A node that takes longer lets the next one pass, and is shown. */
const proofMilliseconds = 600_000

/** For how long the others wait for what the node is at: for a proof as long as one may take. In milliseconds. */
function timeLeft({ member: { node, runtime }, stage }: Staged, now: Date): number {
  if (!runtime || !isRepeatedProof(runtime) || !silent.includes(stage.at)) return Number.POSITIVE_INFINITY
  // It has done its part and waits to be let: only its Node can stand in the way of its own.
  if (stage.at === 'startable') return node.ready ? Number.POSITIVE_INFINITY : 0
  return (Date.parse(turnOf(runtime)?.startTime ?? '') || 0) + proofMilliseconds - now.getTime()
}

const lookAgainIn = (milliseconds: number): Reproof =>
  Number.isFinite(milliseconds) ? { lookAgainMilliseconds: milliseconds } : {}

/** A committed node in service, and when it was proven last, by the operator's clock. */
function provenOf({ member, stage }: Staged): { member: Known; provenAt: number } | undefined {
  const { node, runtime, intent } = member
  if (!runtime || stage.at !== 'done' || intent.kind !== 'target' || !node.ready || node.deleting) return undefined
  const { provenTime, startTime } = turnOf(runtime) ?? {}
  const time = provenTime ?? startTime ?? runtime.status?.verification?.time
  return { member: { ...member, runtime }, provenAt: Date.parse(time ?? '') || 0 }
}

function order({ node, runtime }: Known, { revision, target, now }: Wish): Decision {
  const attempt = 1 + Math.max(runtime.spec?.attempt ?? 0, runtime.status?.attempt ?? 0)
  const repairs = repairsOf(runtime)
  const change = changeOf(runtime)
  // Of no attempt that there is: the turn of this one begins with its switch.
  const turn = { revision, attempt: 0, startTime: now.toISOString(), ...(change && { change }) }
  return {
    kind: 'Order',
    node: node.name,
    order: { revision, target, attempt, report: undefined, turn, ...(repairs.length > 0 && { repairs }) },
  }
}

/** The last change of the node, however often it was proven since. */
export function changeOf(runtime: NodeRuntime): Change | undefined {
  const turn = turnOf(runtime)
  if (!turn || isRepeatedProof(runtime)) return turn?.change
  const { startTime, provenTime } = turn
  return { startTime, ...(provenTime !== undefined && { provenTime }) }
}

const silent: readonly Stage['at'][] = ['preparing', 'startable', 'underWay', 'returning']

/** As people see it: a node that is proven once more has converged, until it turns out that it has not. */
export function asSeen(staged: readonly Staged[], now: Date): Staged[] {
  return staged.map(({ member, stage }) => {
    const isProof = member.runtime !== undefined && isRepeatedProof(member.runtime) && silent.includes(stage.at)
    return { member, stage: isProof && timeLeft({ member, stage }, now) > 0 ? { at: 'done' } : stage }
  })
}

/** Out of service for more than the moment that a proof takes. */
export const isOnlyProven = ({ member: { node, runtime } }: Staged): boolean =>
  runtime !== undefined && isRepeatedProof(runtime) && !isOut(node)
