/** Changes of files that survive a power cut whole or not at all. */
import { basename, dirname, join } from 'node:path'
import type { Attributes, Disk } from './disk.ts'
import { isMissing } from './errors.ts'

/** Read by everybody, as configuration files are; secrets are not among what Drydock writes. */
const fresh: Attributes = { mode: 0o644, uid: 0, gid: 0 }

/** Follows a link to the file itself, so that a linked configuration file stays linked. */
async function realFile(disk: Disk, path: string): Promise<string> {
  return (await disk.resolve(path)) ?? path
}

/**
 * The same name each time, so that what a crash left is replaced instead of piling up, with an ending that no `*.toml` or
 * `*.conf` of an engine reads.
 */
function temporaryOf(file: string): string {
  return join(dirname(file), `.${basename(file)}.drydock`)
}

/** Removes an empty folder. One that something is in stays, and survives a power cut from now on. */
export async function removeFolder(disk: Disk, path: string): Promise<void> {
  await disk.removeFolder(path)
  await syncFolder(disk, path)
}

/** Replaces a file as a whole; mode and owner of what was there stay. */
export async function replaceFile(
  disk: Disk,
  path: string,
  bytes: Buffer,
  attributes: Partial<Attributes> = fresh,
): Promise<void> {
  const file = await realFile(disk, path)
  const folder = dirname(file)
  const temporary = temporaryOf(file)
  await disk.makeFolder(folder, 0o755)
  await disk.unlink(temporary)
  try {
    await disk.create(temporary, bytes, (await disk.attributes(file)) ?? { ...fresh, ...attributes })
    await disk.sync(temporary)
    await disk.rename(temporary, file)
  } catch (error) {
    await disk.unlink(temporary)
    throw error
  }
  await disk.sync(folder)
}

/** Removes what a crash left of an unfinished replacement. */
export async function discardUnfinished(disk: Disk, path: string): Promise<void> {
  await disk.unlink(temporaryOf(await realFile(disk, path)))
}

/**
 * What a process sees after a crash of another may still be lost in a power cut: a rename, or a removal, whose folder was
 * not synced. Call it before relying on a file, or on its absence, that this process has not written itself.
 */
export async function makeDurable(disk: Disk, path: string): Promise<void> {
  const file = await disk.resolve(path)
  if (file !== undefined) await disk.sync(file)
  await syncFolder(disk, file ?? path)
}

/** A folder that was never made is as durable as can be. */
async function syncFolder(disk: Disk, path: string): Promise<void> {
  await disk.sync(dirname(path)).catch((error) => {
    if (!isMissing(error)) throw error
  })
}

export async function removeFile(disk: Disk, path: string): Promise<void> {
  await disk.unlink(path)
  await syncFolder(disk, path)
}
