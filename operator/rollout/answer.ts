import type { NodeRuntime, NodeRuntimeStatus } from '../../crds/types.gen.ts'

export type Phase = NonNullable<NodeRuntimeStatus['phase']>
export type Action = NonNullable<NodeRuntimeStatus['action']>

const terminal: readonly (Phase | undefined)[] = ['Committed', 'Refused', 'RolledBack', 'Failed', 'Removed']
const quiet: readonly (Phase | undefined)[] = ['Prepared', 'Committed', 'Refused', 'RolledBack']

const ends: readonly (Phase | undefined)[] = ['Committed', 'RolledBack']

/** The status, when it speaks of the order that the node has now. An answer to another order says nothing. */
export function answerOf(runtime: NodeRuntime): NodeRuntimeStatus | undefined {
  return isAbout(runtime) && !isBygone(runtime) ? runtime.status : undefined
}

function isAbout({ spec, status }: NodeRuntime): boolean {
  return spec?.revision !== undefined && status?.revision === spec.revision && status.attempt === spec.attempt
}

/**
 * How a change ended that this order has not permitted yet. The agent remembers it of an order of the same number, from
 * before the NodeRuntime was made anew.
 */
export function isBygone(runtime: NodeRuntime): boolean {
  return isAbout(runtime) && runtime.spec?.permit === 'Prepare' && ends.includes(runtime.status?.phase)
}

/** Whether pods are created anew, so that the node is drained first. What nobody has named is taken for the harshest. */
export const drains = (action: Action | undefined): boolean => action !== 'None' && action !== 'Restart'

/** The node may be in the middle of the change that its order asks for. */
export function isOpen(runtime: NodeRuntime): boolean {
  const permit = runtime.spec?.permit
  const isMoving = permit === 'Switch' || permit === 'Commit' || permit === 'Rollback'
  return isMoving && runtime.spec?.revision !== undefined && !terminal.includes(answerOf(runtime)?.phase)
}

/** The answer shows that the node is wholly in one state: no journal is open and the state is proven or untouched. */
export function isQuiet(runtime: NodeRuntime): boolean {
  return !isOpen(runtime) && quiet.includes(answerOf(runtime)?.phase)
}
