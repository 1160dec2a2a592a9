import { answerOf, isOpen } from './answer.ts'
import { turnOf } from './marks.ts'
import type { Member, NodeView } from './types.ts'

/** Drydock has the node out of service, or it may be: from the cordon to the return, and for as long as it is Failed. */
export function isTaken({ node, runtime }: Pick<Member, 'node' | 'runtime'>): boolean {
  if (node.cordon) return true
  if (!runtime?.spec) return false
  if (isOpen(runtime)) return true
  return answerOf(runtime)?.phase === 'Failed' || hasBegun(runtime)
}

/** Out of service for any reason: cordoned, not Ready, on its way out, or taken by us. */
export function isUnavailable(member: Pick<Member, 'node' | 'runtime'>): boolean {
  return isOut(member.node) || isTaken(member)
}

/** Out of service whoever did it. */
export function isOut(node: NodeView): boolean {
  return isClosed(node) || !node.ready || node.deleting
}

/** Takes no new pods. */
export function isClosed({ unschedulable, startupTaint }: NodeView): boolean {
  return unschedulable || startupTaint
}

/** The turn of a node that somebody else cordoned began, and its switch is not yet permitted. */
function hasBegun(runtime: NonNullable<Member['runtime']>): boolean {
  const { revision, attempt, permit } = runtime.spec ?? {}
  // Asked first: the record is JSON, and most nodes of a fleet have one.
  if (permit !== 'Prepare') return false
  const turn = turnOf(runtime)
  return turn !== undefined && turn.revision === revision && turn.attempt === attempt
}
