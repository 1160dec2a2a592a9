import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { mkdir, rename, rm, stat, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import { withLock } from './lock.ts'
import type { Log, Progress } from './progress.ts'

export interface Recipe {
  /** What it is, for people and for the folder's name: lower-case letters, digits, dashes. */
  name: string
  /** All that decides the content: the same text is the same content. */
  key: string
  build: (folder: string, detail: Log) => Promise<void>
}

/** Things that are costly to make, by what they are made from. An entry is either complete or absent. */
export class Cache {
  readonly folder: string
  readonly #progress: Progress
  constructor(folder: string, progress: Progress) {
    this.folder = folder
    this.#progress = progress
  }

  /** The folder with the recipe's result, built now unless it is there. Two processes never build the same thing twice. */
  async get({ name, key, build }: Recipe): Promise<string> {
    const folder = join(this.folder, `${name}-${digest(key).slice(0, 12)}`)
    if (await exists(folder)) return touched(folder)
    await mkdir(this.folder, { recursive: true })
    return withLock(
      folder,
      (line) => this.#progress.say(line),
      async () => {
        if (await exists(folder)) return touched(folder)
        const unfinished = `${folder}.unfinished`
        await rm(unfinished, { recursive: true, force: true })
        await mkdir(unfinished)
        await this.#progress.step(`building ${name}`, (detail) => build(unfinished, detail))
        await rename(unfinished, folder)
        return folder
      },
    )
  }
}

export function digest(text: string | Buffer): string {
  return createHash('sha256').update(text).digest('hex')
}

export async function fileDigest(path: string): Promise<string> {
  const hash = createHash('sha256')
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) hash.update(chunk as Buffer)
  return hash.digest('hex')
}

export async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  )
}

/** The time of an entry is that of its last use: what a person who wants the space back looks at. */
async function touched(folder: string): Promise<string> {
  const now = new Date()
  await utimes(folder, now, now)
  return folder
}
