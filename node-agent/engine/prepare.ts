/** From an order to a change that may be opened, or to the reason why not. Nothing that is live is touched. */
import { dirname } from 'node:path'
import { reasons } from '../../crds/protocol.ts'
import type { NodeRuntimeStatus } from '../../crds/types.gen.ts'
import {
  type Action,
  type FileEdit,
  isRefusal,
  type Observed,
  type Past,
  type Pasts,
  type Refusal,
} from '../engines/engine.ts'
import type { Host } from '../host/host.ts'
import type { Memory } from '../journal/memory.ts'
import type { Change, FileRecord, Order, Shown } from '../journal/records.ts'
import type { Store } from '../journal/store.ts'
import { reserveBytes } from '../sources/folders.ts'
import { isFor } from './machine.ts'

/** A plan for this node, as detection and planning make it. */
export interface Planned {
  readonly edits: readonly FileEdit[]
  readonly change: Omit<Change, 'files'>
  readonly changes: NonNullable<NodeRuntimeStatus['changes']>
  readonly notes: NonNullable<NodeRuntimeStatus['notes']>
  /** What the archive of images that the change carries may take. */
  readonly archiveBytes?: number
  /** What is known of images beforehand. */
  readonly images?: NonNullable<NodeRuntimeStatus['images']>
  /** What the store of the engine that is left takes on disk. */
  readonly reclaimableBytes?: number
}

/** Looks at the node and plans. */
export type Plan = (
  order: Order,
  pasts: Pasts,
  memory: Memory,
) => Promise<{ readonly observed: Observed; readonly plan: Planned | Refusal }>

export interface Preparing {
  readonly host: Host
  readonly store: Store
  readonly plan: Plan
  readonly machineID: string
}

export interface Prepared {
  readonly planned: Planned
  readonly shown: Shown
}

const harshness: Readonly<Record<Action, number>> = { None: 0, Restart: 1, DrainRestart: 2, DrainSwitch: 3 }

/** Room for the journal, the state and the temporary files beside the edits. */
const spareBytes = 1024 * 1024

/** The order is for this machine. */
function otherMachine(order: Order, memory: Memory, machineID: string): Refusal | undefined {
  if (memory.machineID !== machineID) {
    const message = `/var/lib/drydock was written on machine ${memory.machineID}, this is ${machineID}: remove that folder when this machine was copied from the other.`
    return { reason: 'OtherMachine', message }
  }
  if (order.permit === 'Switch' && order.machineID !== undefined && order.machineID !== machineID) {
    const message = `The order is for what machine ${order.machineID} had prepared, this is ${machineID}.`
    return { reason: 'OtherMachine', message }
  }
  return undefined
}

/** A node that was not drained must not be treated as if it were. */
function harsherThanPrepared(order: Order, memory: Memory, action: Action): Refusal | undefined {
  const { answer } = memory
  if (answer?.phase !== 'Prepared' || !isFor(order, answer) || answer.action === undefined) return undefined
  if (harshness[action] <= harshness[answer.action]) return undefined
  const message = `The node has changed since it was prepared: the change needs ${action} now, and ${answer.action} was announced.`
  return { reason: reasons.actionChanged, message }
}

async function noSpace({ host, store }: Preparing, edits: readonly FileEdit[]): Promise<Refusal | undefined> {
  const bytes = edits.reduce((sum, { before, after }) => sum + (before?.length ?? 0) + (after?.length ?? 0), spareBytes)
  for (const folder of new Set([store.folder, ...edits.map(({ path }) => dirname(path))])) {
    const free = await host.freeBytes(folder)
    if (free < bytes) {
      const message = `${folder} has ${free} bytes left and the change may take ${bytes}: free some space there.`
      return { reason: 'NoSpace', message }
    }
  }
  return undefined
}

/** The archive lies on the host between the two stores. */
async function noArchiveSpace({ host, store }: Preparing, { archiveBytes }: Planned): Promise<Refusal | undefined> {
  if (archiveBytes === undefined) return undefined
  const free = await host.freeBytes(store.folder)
  if (free >= archiveBytes + reserveBytes) return undefined
  const message = `${store.folder} has ${free} bytes left, the archive of the images that go along may take ${archiveBytes}, and ${reserveBytes} stay free: free some space there, or write migration.images: pull.`
  return { reason: 'NoSpace', message }
}

export async function pastsOf({ store }: Pick<Preparing, 'store'>, memory: Memory): Promise<Pasts> {
  const pasts = new Map<string, Past>()
  for (const [path, record] of Object.entries(memory.files)) {
    const [original, written] = [await store.blobs.get(record.original), await store.blobs.get(record.written)]
    const start = await store.blobs.get(record.start ?? null)
    pasts.set(path, { original, written, ...(start && { start }) })
  }
  return pasts
}

/** Refusals are answers; what throws is refused too, with the error's own words. */
export async function prepare(
  preparing: Preparing,
  order: Order,
  memory: Memory,
): Promise<Prepared | (Refusal & { readonly observed?: Observed })> {
  try {
    const other = otherMachine(order, memory, preparing.machineID)
    if (other) return other
    const { observed, plan } = await preparing.plan(order, await pastsOf(preparing, memory), memory)
    if (isRefusal(plan)) return { ...plan, observed }
    const { change, changes, edits, images, notes, reclaimableBytes } = plan
    const refusal =
      harsherThanPrepared(order, memory, change.action) ??
      (await noSpace(preparing, edits)) ??
      (await noArchiveSpace(preparing, plan))
    if (refusal) return { ...refusal, observed }
    const told = {
      ...(notes.length > 0 && { notes }),
      ...(images && { images }),
      ...(reclaimableBytes !== undefined && { reclaimableBytes }),
    }
    return { planned: plan, shown: { action: change.action, changes, observed, ...told } }
  } catch (error) {
    return { reason: 'PrepareFailed', message: (error as Error).message }
  }
}

/** Folders above a file that are not there yet, or are there because of Drydock; the innermost first. */
async function foldersMade(host: Host, own: ReadonlySet<string>, path: string): Promise<readonly string[]> {
  const folder = dirname(path)
  if (!own.has(folder) && (await host.realPath(folder)) !== undefined) return []
  return [folder, ...(await foldersMade(host, own, folder))]
}

/** Keeps the bytes that the change and its undoing need; durable when it returns. */
export async function keepBytes(
  { host, store }: Pick<Preparing, 'host' | 'store'>,
  memory: Memory,
  edits: readonly FileEdit[],
): Promise<readonly FileRecord[]> {
  const own = new Set(Object.values(memory.files).flatMap(({ folders = [] }) => folders))
  const records: FileRecord[] = []
  for (const edit of edits) {
    const { path, before, after, original, start } = edit
    const folders = await foldersMade(host, own, path)
    // One that Drydock has taken away comes back as it was.
    const mode = edit.mode ?? (after ? memory.files[path]?.mode : await host.mode(path))
    records.push({
      path,
      before: await store.blobs.put(before),
      after: await store.blobs.put(after),
      original: await store.blobs.put(original),
      ...(start && { start: await store.blobs.put(start) }),
      ...(mode !== undefined && { mode }),
      ...(folders.length > 0 && { folders }),
    })
  }
  return records
}
