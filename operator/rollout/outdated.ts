/** A node that has changed between its preparation and its turn: nothing was touched, and it is prepared anew. */
import { reasons } from '../../crds/protocol.ts'
import type { NodeRuntime } from '../../crds/types.gen.ts'
import { answerOf } from './answer.ts'
import { turnOf } from './marks.ts'
import type { Reason } from './types.ts'

/** From the beginning of one turn to the next try: whatever changes the node may do so time and again. */
const pauseMilliseconds = 60_000

/** The agent refused the switch because it would take more than what had been announced: a drain, for one. */
export function isOutdated(runtime: NodeRuntime): boolean {
  const { phase, reason } = answerOf(runtime) ?? {}
  return phase === 'Refused' && reason === reasons.actionChanged
}

/** How long the node waits before it is prepared anew; at most 0: no longer. In milliseconds. */
export function pauseLeft(runtime: NodeRuntime, now: Date): number {
  const began = Date.parse(turnOf(runtime)?.startTime ?? '') || 0
  return Math.min(began, now.getTime()) + pauseMilliseconds - now.getTime()
}

export const outdated = ({ message }: Reason): Reason => ({
  reason: 'PlanOutdated',
  message: `${message} It is prepared anew`,
})
