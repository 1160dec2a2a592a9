/** Pure: whether the engine has said all that it will say to an order. */
import type { NodeRuntimeSpec, NodeRuntimeStatus } from '../../crds/types.gen.ts'

type Permit = NodeRuntimeSpec['permit']
type Phase = NonNullable<NodeRuntimeStatus['phase']>

const moving: readonly Phase[] = ['Preparing', 'Switching', 'RollingBack']
const final: readonly Phase[] = ['Refused', 'Committed', 'RolledBack', 'Failed']

/** The answers after which only another order, or time, brings news. docs/protocol.md has the table. */
const answers: Readonly<Record<Exclude<Permit, 'Observe'>, readonly Phase[]>> = {
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
  if (spec.permit === 'Observe') return true
  const isAboutIt = spec.permit === 'Remove' || (status.revision === spec.revision && status.attempt === spec.attempt)
  return isAboutIt && answers[spec.permit].includes(phase)
}
