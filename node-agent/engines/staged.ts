/** Puts edited files beside the live ones, to find out before anything live is touched what would stop them from being written. */
import { basename, dirname, join } from 'node:path/posix'
import { NoSpaceError, ReadOnlyError } from '../host/errors.ts'
import type { Host } from '../host/host.ts'
import type { FileEdit, Refusal } from './engine.ts'

/** Backups, the journal and a second of logs; a node with less left has other worries first. */
const reserveBytes = 4 * 1024 * 1024

/** No pattern such as `conf.d/*.toml` matches this name, so an engine that starts now does not read it. */
export function stagedPath(path: string): string {
  return join(dirname(path), '.drydock-staged')
}

/** A folder that is made only with its first file must not be there when that file never comes. */
async function folderThere(host: Host, folder: string): Promise<string> {
  return folder === '/' || (await host.realPath(folder)) !== undefined ? folder : folderThere(host, dirname(folder))
}

/** Why the file at the path can be neither replaced nor brought back, although its folder can be written to; undefined: it can, or there is none. */
export async function lockedFile(host: Host, path: string): Promise<Refusal | undefined> {
  const file = await host.realPath(path)
  if (file === undefined) {
    const isLink = (await host.listFolder(dirname(path))).includes(basename(path))
    const message = `${path} is a link that leads nowhere: remove it, or put a file where it leads`
    return isLink ? { reason: 'FileLocked', message } : undefined
  }
  const linked = file === path ? path : `${path} leads to ${file}, which`
  if ((await host.readFile(file)) === undefined) {
    return { reason: 'FileLocked', message: `${linked} is a folder, where a file is to be: move it away` }
  }
  if (!(await host.isWritable(file))) {
    const message = `${linked} is immutable or on a read-only file system, so it cannot be replaced: run "chattr -i ${file}", mount it writable, or configure this host where its image is built`
    return { reason: 'FileLocked', message }
  }
  const mounts = (await host.readFile('/proc/self/mounts'))?.toString() ?? ''
  if (!mounts.split('\n').some((line) => mountPointOf(line) === file)) return undefined
  const message = `${linked} is a mount of its own, so no other file can take its place: put the file itself there and run "umount ${file}"`
  return { reason: 'FileLocked', message }
}

/** Blanks and backslashes in it are written in octal. */
function mountPointOf(line: string): string | undefined {
  return line.split(' ')[1]?.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(parseInt(octal, 8)))
}

/** Runs `check` while the edited bytes lie in the folder of the live file, and takes them away again whatever happens. */
export async function withStaged(
  host: Host,
  edit: FileEdit,
  check: (staged: string) => Promise<Refusal | undefined>,
): Promise<Refusal | undefined> {
  const folder = await folderThere(host, dirname(edit.path))
  const staged = stagedPath(join(folder, 'file'))
  const full = await fullDisk(host, [folder, '/var/lib'])
  if (full) return full
  try {
    await host.replaceFile(staged, edit.after ?? Buffer.alloc(0))
    return await check(staged)
  } catch (error) {
    if (error instanceof NoSpaceError) return noSpace(folder)
    if (!(error instanceof ReadOnlyError)) throw error
    const message = `${folder} is on a read-only file system, so ${edit.path} cannot be changed: mount it writable, or configure this host where its image is built`
    return { reason: 'ReadOnly', message }
  } finally {
    await host.removeFile(staged)
  }
}

async function fullDisk(host: Host, folders: readonly string[]): Promise<Refusal | undefined> {
  for (const folder of folders) if ((await host.freeBytes(folder)) < reserveBytes) return noSpace(folder)
  return undefined
}

function noSpace(folder: string): Refusal {
  return {
    reason: 'NoSpace',
    message: `no space left below ${folder}: free at least ${reserveBytes / 1024 / 1024} MiB there`,
  }
}
