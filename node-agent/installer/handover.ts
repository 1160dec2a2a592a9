/** What the installer tells the courier of the same pod, in a file that they share. */
import { readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { NodeRuntimeStatus } from '../../crds/types.gen.ts'

export type Handover =
  | { readonly supported: true }
  | {
      readonly supported: false
      /** One CamelCase word. */
      readonly reason: string
      /** What is in the way, and what to do instead. */
      readonly message: string
      readonly os: NonNullable<NonNullable<NodeRuntimeStatus['observed']>['os']>
    }

const name = 'host.json'

export async function writeHandover(folder: string, handover: Handover): Promise<void> {
  const path = join(folder, name)
  await writeFile(`${path}.unfinished`, JSON.stringify(handover))
  await rename(`${path}.unfinished`, path)
}

/** Throws when the installer has left nothing: the courier's pod was not made from the agent's manifest. */
export async function readHandover(folder: string): Promise<Handover> {
  return JSON.parse(await readFile(join(folder, name), 'utf8')) as Handover
}
