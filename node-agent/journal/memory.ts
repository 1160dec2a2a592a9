/** `state.json`: what outlives the journal. */
import type { NodeRuntimeStatus } from '../../crds/types.gen.ts'
import type { Target } from '../engines/engine.ts'
import type { BlobName } from './records.ts'

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

export function freshMemory(machineID: string): Memory {
  return { machineID, fence: 0, files: {} }
}
