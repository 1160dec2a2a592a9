/** Pure: whether the engine has said all that it will say to an order. */
import type { NodeRuntimeSpec, NodeRuntimeStatus } from '../../crds/types.gen.ts'

type Permit = NodeRuntimeSpec['permit']
type Phase = NonNullable<NodeRuntimeStatus['phase']>

const moving: readonly Phase[] = ['Preparing', 'Switching', 'RollingBack']
const final: readonly Phase[] = ['Refused', 'Committed', 'RolledBack', 'Failed']

/** The answers after which only another order, or time, brings news. docs/protocol.md has the table. */
const answers: Readonly<Record<Permit, readonly Phase[]>> = {
  Observe: ['Observed', 'Failed'],
  Prepare: ['Prepared', 'Proven', ...final],
  Switch: ['Proven', ...final],
  Commit: final,
  Rollback: final,
  Remove: ['Removed', 'Failed'],
}

export function isMoving(status: NodeRuntimeStatus): boolean {
  return status.phase !== undefined && moving.includes(status.phase)
}

export function isSettled(spec: NodeRuntimeSpec, status: NodeRuntimeStatus): boolean {
  const { phase } = status
  if (phase === undefined || isMoving(status)) return false
  // A release names no work: until the engine has looked, its last answer is to the order before.
  const isAboutIt =
    spec.permit === 'Observe' ||
    spec.permit === 'Remove' ||
    (status.revision === spec.revision && status.attempt === spec.attempt)
  return isAboutIt && answers[spec.permit].includes(phase)
}
