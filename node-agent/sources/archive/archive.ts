/** Archives and single programs from an https address, onto the host as folders that nobody runs yet. */
import { join } from 'node:path/posix'
import type { Clock } from '../../../kube/clock.ts'
import { Refused } from '../../engines/refused.ts'
import { NoSpaceError } from '../../host/errors.ts'
import { folderOf, needSpace, type Placing, placeFolder, reserveBytes } from '../folders.ts'
import { listArguments, unpackedBytes } from './members.ts'

export interface Archive {
  readonly url: string
  /** In lower-case hexadecimal. */
  readonly sha256: string
}

export interface Fetching extends Placing {
  readonly clock: Clock
}

/** A mirror that restarts is back within this; one that is dead is told after it. */
const pausesMs = [1000, 5000]

/** Unpacking 100 MB takes seconds; a node that swaps is slower. */
const unpackTimeoutMs = 5 * 60_000

/** The folder with what the archive holds. */
export async function placeArchive(
  fetching: Fetching,
  name: string,
  archive: Archive,
  /** Throws when the unpacked folder is not what it should be. */
  check: (unpacked: string) => Promise<void>,
): Promise<string> {
  const folder = folderOf(name, archive.sha256)
  await placeFolder(fetching, folder, async (unfinished) => {
    const file = join(unfinished, '.archive')
    await fetched(fetching, archive, file)
    await unpack(fetching, archive, { file, folder: unfinished })
    await fetching.host.removeFile(file)
    await check(unfinished)
  })
  return folder
}

/** The folder with one program of that name: the releases of runc and crun are the program itself. */
export async function placeProgram(
  fetching: Fetching,
  name: string,
  archive: Archive,
  check: (program: string) => Promise<void>,
): Promise<string> {
  const folder = folderOf(name, archive.sha256)
  await placeFolder(fetching, folder, async (unfinished) => {
    const file = join(unfinished, name)
    await fetched(fetching, archive, file)
    await changeMode(fetching, '0755', file)
    await check(file)
  })
  return folder
}

async function fetched({ clock, staging }: Fetching, { url, sha256 }: Archive, path: string): Promise<void> {
  const found = await retried(clock, () => staging.download({ url, path, reserveBytes }))
  if (found === sha256) return
  throw new Refused(
    'ChecksumDiffers',
    `${url} has the SHA-256 ${found}, the profile says ${sha256}; it was thrown away: correct the sha256, or find out who replaced the archive`,
  )
}

async function retried(clock: Clock, fetch: () => Promise<string>): Promise<string> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await fetch()
    } catch (error) {
      if (error instanceof NoSpaceError) throw error
      const pauseMs = pausesMs[attempt]
      if (pauseMs === undefined) {
        const message = `${(error as Error).message} Make the address reachable from this node, and add the mirror's CA to the node's CA certificates if it has its own.`
        throw new Refused('DownloadFailed', message)
      }
      await clock.sleep(pauseMs)
    }
  }
}

async function unpack({ host }: Fetching, { url }: Archive, at: { file: string; folder: string }): Promise<void> {
  const tar = async (...args: string[]): Promise<string> => {
    const ran = await host.run(['tar', ...args], { timeoutMs: unpackTimeoutMs })
    if (ran.code === 0) return ran.stdout
    const said = ran.stderr.trim().replaceAll(/\s+/g, ' ')
    throw new Refused('ArchiveInvalid', `${url} cannot be unpacked on this node: ${said.slice(-500)}`)
  }
  await needSpace(host, at.folder, unpackedBytes(await tar(...listArguments, '--file', at.file), url))
  await tar('--extract', '--no-same-owner', '--file', at.file, '--directory', at.folder)
  await changeMode({ host }, 'u=rwX,go=rX', at.folder)
}

/** Whatever the archive and the process's umask say: read and run by everybody, written by root, and no setuid bits. */
async function changeMode({ host }: Pick<Fetching, 'host'>, mode: string, path: string): Promise<void> {
  const { code, stderr } = await host.run(['chmod', '--recursive', mode, '--', path], { timeoutMs: unpackTimeoutMs })
  if (code !== 0) throw new Error(`The modes below ${path} cannot be set: ${stderr.trim()}`)
}
