/** The last questions before a node starts: those whose answers no watch brings, so that they are asked only then. */
import { drains } from './answer.ts'
import type { Candidate, Circumstances } from './candidate.ts'
import type { Delay } from './types.ts'

/** For how long a gate that does not hold is believed. */
export const gateMilliseconds = 30_000
/** For how long a disruption budget that allows nothing is believed: pods elsewhere become ready without a word. */
export const evictionMilliseconds = 10_000
/** For how long an answer is good to start with, not counting the time that the other question takes meanwhile. */
export const freeMilliseconds = 2_000
/** When an answer is asked for and has not come. */
const askAgainMilliseconds = 1_000

/** The gates do not hold, or nobody has asked them lately. */
export function isGated(
  { member: { node } }: Candidate,
  { profile, looks: { gates } }: Pick<Circumstances, 'profile' | 'looks'>,
): Delay | undefined {
  if (!profile.spec.rollout?.gates?.length) return undefined
  if (gates && gates.freshMilliseconds > 0) {
    return gates.why && { why: gates.why, lookAgainMilliseconds: gates.freshMilliseconds }
  }
  const why = gates?.why ?? { reason: 'GatesAsked', message: `${node.name} waits for the answer of the gates` }
  return { why, lookAgainMilliseconds: askAgainMilliseconds, question: { ask: 'gates' } }
}

/**
 * A disruption budget allows nothing for a pod that would have to leave, or nobody has looked. An old answer goes on
 * holding the node back until there is another: so the fleet is looked at a few nodes at a time.
 */
export function mayNotEvict(
  { member: { node }, stage }: Candidate,
  { looks: { evictions } }: Pick<Circumstances, 'looks'>,
): Delay | undefined {
  if (!drains(stage.action)) return undefined
  const look = evictions.get(node.name)
  const isFresh = look !== undefined && look.freshMilliseconds > 0
  if (isFresh) return look.why && { why: look.why, lookAgainMilliseconds: look.freshMilliseconds }
  const question = { ask: 'evictions', node: node.name, isRepeated: look?.why !== undefined } as const
  if (look?.why) return { why: look.why, lookAgainMilliseconds: evictionMilliseconds, question }
  const why = { reason: 'LookingAtPods', message: `${node.name} waits until its pods have been looked at` }
  return { why, lookAgainMilliseconds: askAgainMilliseconds, question }
}
