/** What goes on the host: the Node binary, its loader and libraries, and the engine. */
import { readdir } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { libraries } from './libraries.ts'

export interface PayloadFile {
  /** In this container. */
  readonly source: string
  /** Below the version's folder on the host. */
  readonly target: string
  readonly mode: number
}

export interface PayloadSource {
  /** Root of the agent's image; `/` but in tests. */
  readonly image: string
  /** `process.arch`. */
  readonly arch: string
}

/** The engine comes last: a folder that has it has all. */
export async function payload({ image, arch }: PayloadSource): Promise<readonly PayloadFile[]> {
  const found = arch === 'x64' || arch === 'arm64' ? libraries[arch] : undefined
  if (!found) throw new Error(`Drydock has no agent for machines of type ${arch}: keep its DaemonSet off them`)
  const folder = join(image, found.folder)
  const names = (await readdir(folder)).sort()
  return [
    { source: join(image, found.loader), target: join('lib', basename(found.loader)), mode: 0o755 },
    ...names.map((name) => ({ source: join(folder, name), target: join('lib', name), mode: 0o755 })),
    { source: join(image, 'usr/local/bin/node'), target: 'node', mode: 0o755 },
    { source: join(image, 'app/engine.cjs'), target: 'engine.cjs', mode: 0o644 },
  ]
}
