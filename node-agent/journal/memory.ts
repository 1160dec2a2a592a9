/** `state.json`: what outlives the journal. Pure: how it changes. */
import type { NodeRuntimeStatus } from '../../crds/types.gen.ts'
import type { BlobName, Change, Expectation, Order } from './records.ts'

/** A managed file: what it is without Drydock, kept until it is restored, and what Drydock wrote last. */
export interface PastRecord {
  readonly original: BlobName
  readonly written: BlobName
}

export interface Memory {
  /** The machine that this folder was written on: a copied disk is told by it. */
  readonly machineID: string
  /** The highest fencing token seen. */
  readonly fence: number
  /** The last definite answer: Prepared, Refused, Committed, RolledBack. */
  readonly answer?: NodeRuntimeStatus
  /** The Node that the answer was prepared for. */
  readonly nodeUID?: string
  /** Id of the journal that the answer closed: it is removed, should it still be there. */
  readonly closed?: string
  /** What was proven before the first change, and must be again when the files of then are back. */
  readonly origin?: Expectation
  /** What was proven by the last commit; absent when the node is as it was before Drydock. */
  readonly current?: Expectation
  readonly files: Readonly<Record<string, PastRecord>>
}

/** A change that has ended. */
interface Ended {
  readonly id: string
  readonly order: Order
  readonly change: Change
}

export function freshMemory(machineID: string): Memory {
  return { machineID, fence: 0, files: {} }
}

/** Before anything was touched. */
export function answered(memory: Memory, order: Order, answer: NodeRuntimeStatus): Memory {
  const { nodeUID: _, ...rest } = memory
  return { ...rest, answer, ...(order.nodeUID !== undefined && { nodeUID: order.nodeUID }) }
}

/** The node belongs to nobody: what was said to the last order is no answer to one that comes after. */
export function released(memory: Memory): Memory {
  const { answer, nodeUID: _, ...rest } = memory
  return answer ? rest : memory
}

export function undone(memory: Memory, { id }: Ended, answer: NodeRuntimeStatus): Memory {
  return { ...memory, answer, closed: id }
}

/**
 * A file that is back to what it is without Drydock is forgotten; so is everything when the revision was "original".
 */
export function committed(memory: Memory, { id, order, change }: Ended, answer: NodeRuntimeStatus): Memory {
  const { current: _, origin = change.former, ...rest } = memory
  const ended = { ...rest, answer, closed: id }
  if (!order.target) return { ...ended, files: {} }
  const files = { ...memory.files }
  for (const { path, original, after } of change.files) {
    if (original === after) delete files[path]
    else files[path] = { original, written: after }
  }
  return { ...ended, files, origin, current: change.wanted }
}
