/** Files of the engine on the host: compared first, then replaced one by one, each as a whole. */
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { chmod, readdir, readFile, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { replaceFile } from '../host/durable.ts'
import { nodeDisk } from '../host/node-disk.ts'
import type { PayloadFile } from './payload.ts'

/** Programs of container engines, in the folder of the versions. */
const enginesFolder = 'engines'

/** The files that are missing on the host or differ there. */
export async function differing(files: readonly PayloadFile[], folder: string): Promise<readonly PayloadFile[]> {
  const differ = await Promise.all(
    files.map(async (file) => {
      const target = join(folder, file.target)
      const found = await stat(target).catch(() => undefined)
      if (!found || (found.mode & 0o7777) !== file.mode || found.size !== (await stat(file.source)).size) return true
      return (await digest(target)) !== (await digest(file.source))
    }),
  )
  return files.filter((_, index) => differ[index])
}

/** Durable when it returns. A crash on the way leaves whole files, old or new. */
export async function place(files: readonly PayloadFile[], folder: string): Promise<void> {
  for (const { source, target, mode } of files) {
    const path = join(folder, target)
    await replaceFile(nodeDisk, path, await readFile(source), { mode, uid: 0, gid: 0 })
    // Replacing keeps the mode of what was there, which may be the very thing that differs.
    await chmod(path, mode)
  }
}

/** Other versions, which nothing runs any more. What the node engine has put beside them is its own affair: nodes run it. */
export async function removeOthers(folder: string, version: string): Promise<readonly string[]> {
  const others = (await readdir(folder)).filter((name) => name !== version && name !== enginesFolder)
  for (const name of others) await rm(join(folder, name), { recursive: true })
  return others
}

/** Streamed: the Node binary twice in memory would be more than the container may have. */
async function digest(path: string): Promise<string> {
  const hash = createHash('sha256')
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) hash.update(chunk as Buffer)
  return hash.digest('hex')
}
