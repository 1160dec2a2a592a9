/** Pure: which changes of the answer are worth a write to the API. */
import type { NodeRuntimeStatus } from '../../crds/types.gen.ts'
import { isMoving } from './settled.ts'

/**
 * What a write is worth. While the node moves, only that it does: its steps and sentences come with the answer that
 * ends the move, and each write on the way would be one more that a fleet's API server has to carry.
 */
export function materialOf(status: NodeRuntimeStatus): string {
  const { phase, revision, attempt } = status
  return canonical(isMoving(status) ? { phase, revision, attempt } : status)
}

/** Most moves end sooner, and how they ended follows at once; a longer one is shown to whoever looks at the node. */
export const shortMoveMs = 15_000

/** Preparing takes seconds, and Prepared or Refused follows: it is not worth a write of its own. */
export function isWorthWriting(
  next: NodeRuntimeStatus,
  written: NodeRuntimeStatus | undefined,
  /** For how long the node has been seen moving. */
  movedMs: number,
): boolean {
  if (next.phase === undefined || next.phase === 'Preparing') return false
  if (isMoving(next) && movedMs < shortMoveMs) return false
  return written === undefined || materialOf(asLate(next, written)) !== materialOf(written)
}

/** After a crash the engine repeats what it remembers, and may have read a later generation of the same order before. */
function asLate(next: NodeRuntimeStatus, { observedGeneration = 0 }: NodeRuntimeStatus): NodeRuntimeStatus {
  return (next.observedGeneration ?? observedGeneration) < observedGeneration ? { ...next, observedGeneration } : next
}

/** JSON with sorted keys, so that the API server's order of fields is no difference. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, part: unknown) =>
    part !== null && typeof part === 'object' && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  )
}
