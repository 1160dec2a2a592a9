/** `state.json`: what outlives the journal. Pure: how it changes. */
import type { NodeRuntimeStatus } from '../../crds/types.gen.ts'
import type { Side } from '../engines/engine.ts'
import type { BlobName, Change, Expectation, FileRecord, Order, PackageChange, UnitChange } from './records.ts'

/** A managed file: what it is without Drydock, kept until it is restored, and what Drydock wrote last. */
export interface PastRecord {
  readonly original: BlobName
  readonly written: BlobName
  /** What it was made from where there was none. */
  readonly start?: BlobName
  /** Permissions of one that Drydock has taken away. */
  readonly mode?: number
  /** Folders above it that Drydock has made, the innermost first. */
  readonly folders?: readonly string[]
}

export interface Named {
  readonly cgroupDriver: boolean
  readonly defaultHandler: boolean
}

/** What the node was before the first change, and is to be again when its profile goes. */
export interface Origin {
  readonly side: Side
  /** Of every engine that Drydock has exchanged since: how each unit was before. */
  readonly units: readonly OriginalUnit[]
  /** Absent when there was no engine. */
  readonly proof?: Expectation
  readonly sandboxImage?: string
}

export interface OriginalUnit {
  readonly name: string
  readonly enabled: string
  readonly runs: boolean
}

export interface Memory {
  /** The machine that this folder was written on: a copied disk is told by it. */
  readonly machineID: string
  /** The highest fencing token seen. */
  readonly fence: number
  /** The last definite answer: Prepared, Refused, Committed, RolledBack. */
  readonly answer?: NodeRuntimeStatus
  /** Tags of the images that the node's pods needed when the answer was prepared. */
  readonly images?: readonly string[]
  /** The Node that the answer was prepared for. */
  readonly nodeUID?: string
  /** Id of the journal that the answer closed: it is removed, should it still be there. */
  readonly closed?: string
  readonly origin?: Origin
  /** What was proven by the last commit; absent when the node is as it was before Drydock. */
  readonly current?: Expectation
  /** What of it the order named: without its naming it, the files say again what they said before Drydock. */
  readonly named?: Named
  readonly files: Readonly<Record<string, PastRecord>>
  /** What packages were installed, with what was there before the first of them. */
  readonly packages?: PackageChange
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
export function answered(
  memory: Memory,
  { nodeUID }: Order,
  answer: NodeRuntimeStatus,
  images?: readonly string[],
): Memory {
  const { images: _, nodeUID: _nodeUID, ...rest } = memory
  return { ...rest, answer, ...(images && { images }), ...(nodeUID !== undefined && { nodeUID }) }
}

/** The node belongs to nobody: what was said to the last order is no answer to one that comes after. */
export function released(memory: Memory): Memory {
  const { answer, images: _, nodeUID: _nodeUID, ...rest } = memory
  return answer ? rest : memory
}

export function undone(memory: Memory, { id }: Ended, answer: NodeRuntimeStatus): Memory {
  return { ...memory, answer, closed: id }
}

/** What was known stays: the first former state is the original one. */
function originOf({ origin }: Memory, { from, units, former, sandboxImage }: Change): Origin {
  const known = origin?.units ?? []
  const isKnown = ({ name }: UnitChange): boolean => known.some((unit) => unit.name === name)
  const seen = units
    .filter((unit) => !isKnown(unit))
    .map(({ name, enabled, runs }): OriginalUnit => ({ name, enabled: enabled.before, runs: runs.before }))
  const first = origin ?? { side: from, ...(former && { proof: former }), ...(sandboxImage && { sandboxImage }) }
  return { ...first, units: [...known, ...seen] }
}

function namedBy({ cgroupDriver, handlers = [] }: NonNullable<Order['target']>): Named {
  return { cgroupDriver: cgroupDriver !== undefined, defaultHandler: handlers.some((handler) => handler.default) }
}

function pastOf({ original, after, start, mode, folders }: FileRecord): PastRecord {
  return {
    original,
    written: after,
    ...(start && { start }),
    ...(after === null && mode !== undefined && { mode }),
    ...(folders && { folders }),
  }
}

/**
 * A file that is back to what it is without Drydock is forgotten; so is everything when the revision was "original".
 */
export function committed(memory: Memory, { id, order, change }: Ended, answer: NodeRuntimeStatus): Memory {
  const { current: _, named: _named, origin: _origin, packages: _packages, ...rest } = memory
  const ended = { ...rest, answer, closed: id }
  if (!order.target) return { ...ended, files: {} }
  const packages = change.packages?.taken ?? memory.packages
  // A proof alone is no beginning of a past: what others change afterwards is theirs.
  const isOnlyProof = change.action === 'None' && change.files.length === 0
  const files = { ...memory.files }
  for (const file of change.files) {
    if (file.original === file.after) delete files[file.path]
    else files[file.path] = pastOf(file)
  }
  return {
    ...ended,
    files,
    ...((memory.origin || !isOnlyProof) && { origin: originOf(memory, change) }),
    current: change.wanted,
    named: namedBy(order.target),
    ...(packages && { packages }),
  }
}
