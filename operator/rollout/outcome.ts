import type { NodeRuntime, NodeRuntimeStatus } from '../../crds/types.gen.ts'
import { answerOf, isOpen } from './answer.ts'
import { gaveUpOf } from './marks.ts'
import type { Outcome, Reason } from './types.ts'

/** How the node's present order ended, or undefined when it has not. */
export function outcomeOf(runtime: NodeRuntime): Outcome | undefined {
  if (isOpen(runtime)) return undefined
  const gaveUp = ownWhy(runtime)
  if (runtime.spec?.permit === 'Prepare' && gaveUp) return { result: 'GaveUp', why: gaveUp }
  const answer = answerOf(runtime)
  switch (answer?.phase) {
    case 'Committed':
      return { result: 'Committed' }
    case 'RolledBack':
    // The agent only knows that it was told to go back, or that there is nothing to go back from; the operator knows why.
    case 'Refused':
      return { result: answer.phase, why: gaveUp ?? whyOf(runtime.metadata.name, answer) }
    case 'Failed':
      return { result: 'Failed', why: whyOf(runtime.metadata.name, answer) }
    default:
      return undefined
  }
}

/** Why the operator itself took the order back. */
function ownWhy(runtime: NodeRuntime): Reason | undefined {
  const { revision, attempt, reason, message } = gaveUpOf(runtime) ?? {}
  const isOwn = revision === runtime.spec?.revision && attempt === runtime.spec?.attempt
  return isOwn && reason !== undefined && message !== undefined ? { reason, message } : undefined
}

function whyOf(node: string, { phase, reason, message }: NodeRuntimeStatus): Reason {
  return {
    reason: reason ?? `${phase}`,
    message: `${node}: ${message ?? `the agent answered ${phase} without a message`}`,
  }
}
