/** Where programs lie that Drydock brought to the host: side by side, never over those of the distribution. */
import { basename, join } from 'node:path/posix'
import { NoSpaceError } from '../host/errors.ts'
import type { Host } from '../host/host.ts'
import type { Staging } from '../host/staging.ts'

export const programsFolder = '/opt/drydock/engines'

/** Named after what is in it, so that another archive is another folder. `sha256` in lower-case hexadecimal. */
export function folderOf(name: string, sha256: string): string {
  return join(programsFolder, `${name}-${sha256.slice(0, 12)}`)
}

/** Beside the others; the dot keeps it from being taken for one. */
function unfinishedOf(folder: string): string {
  return join(programsFolder, `.${basename(folder)}`)
}

export interface Placing {
  readonly host: Host
  readonly staging: Staging
}

/**
 * Makes a folder whole under another name and gives it its own at the end: after a crash it is there whole or not at all.
 * One that is there is taken as it is. Nothing is left behind when `fill` throws.
 */
export async function placeFolder(
  { host, staging }: Placing,
  folder: string,
  fill: (unfinished: string) => Promise<void>,
): Promise<void> {
  if ((await host.realPath(folder)) !== undefined) return host.makeDurable(folder)
  const unfinished = unfinishedOf(folder)
  await staging.removeFolder(unfinished)
  try {
    await staging.makeFolder(unfinished)
    await fill(unfinished)
    await staging.moveFolder(unfinished, folder)
  } finally {
    await staging.removeFolder(unfinished)
  }
}

/** What the rest of the node needs: below it the kubelet evicts pods, and nobody could log what happens. */
export const reserveBytes = 256 * 1024 ** 2

export async function needSpace(host: Host, folder: string, bytes: number): Promise<void> {
  const free = await host.freeBytes(folder)
  if (free >= bytes + reserveBytes) return
  throw new NoSpaceError(
    `${folder} needs ${bytes} bytes and ${reserveBytes} that stay free, and has ${free}: free some space on its file system.`,
  )
}
