/** `state.json`: what outlives the journal. Pure: how it changes. */
import type { NodeRuntimeStatus } from '../../crds/types.gen.ts'
import type { Target } from '../engines/engine.ts'
import type { BlobName, Change, Order } from './records.ts'

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
  /** What was committed last; absent when the node is as it was before Drydock. */
  readonly target?: Target
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

export function undone(memory: Memory, { id }: Ended, answer: NodeRuntimeStatus): Memory {
  return { ...memory, answer, closed: id }
}

/** A file that is back to what it is without Drydock is forgotten. */
export function committed(memory: Memory, { id, order, change }: Ended, answer: NodeRuntimeStatus): Memory {
  const files = { ...memory.files }
  for (const { path, original, after } of change.files) {
    if (original === after) delete files[path]
    else files[path] = { original, written: after }
  }
  const { target: _, ...rest } = memory
  return { ...rest, answer, closed: id, files, ...(order.target && { target: order.target }) }
}
