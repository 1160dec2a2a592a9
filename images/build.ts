/** The two images: the common base, and a layer of our own programs. */
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Cache } from '../test/cluster/cache.ts'
import type { Architecture } from './architecture.ts'
import { archiveOf } from './archive.ts'
import { type Base, baseFor } from './base.ts'
import { agentPrograms, type Bundle, bundle, operatorPrograms } from './bundle.ts'
import { type Entry, layerOf } from './layer.ts'

export interface Build {
  /** Root of the repository. */
  readonly root: string
  readonly version: string
  readonly architecture: Architecture
  /** Folder for the archives. */
  readonly out: string
  readonly cache: Cache
}

interface Recipe {
  readonly name: string
  readonly description: string
  readonly command: string
  readonly entries: readonly Entry[]
}

/** Writes the archives and gives their paths. The same sources and the same base give the same bytes. */
export async function buildImages(options: Build): Promise<readonly string[]> {
  const { root, version, architecture, out, cache } = options
  const programs = await Promise.all(
    [...operatorPrograms, ...agentPrograms].map((program) => bundle(program, root, version)),
  )
  const base = await baseFor(architecture, cache, root)
  await mkdir(out, { recursive: true })
  const files: string[] = []
  const agentManifest = await readFile(join(root, 'charts/agent-daemonset.gen.json'))
  for (const recipe of recipes(programs, base, agentManifest)) {
    const archive = await archiveOf({
      name: `drydock.dev/${recipe.name}`,
      tag: version,
      architecture,
      description: recipe.description,
      layers: [base.layer, await layerOf(recipe.entries)],
      entrypoint: ['/usr/local/bin/node'],
      command: [recipe.command],
      contents: base.contents,
    })
    const path = join(out, `${recipe.name}-${architecture}.tar`)
    await writeFile(`${path}.unfinished`, archive)
    await rename(`${path}.unfinished`, path)
    files.push(path)
  }
  return files
}

function recipes(programs: readonly Bundle[], base: Base, agentManifest: Buffer): readonly Recipe[] {
  const of = (wanted: readonly { name: string }[]): Entry[] =>
    programs.filter(({ name }) => wanted.some((program) => program.name === name)).flatMap(filesOfProgram)
  return [
    {
      name: 'operator',
      description: 'Changes the container runtime of Kubernetes nodes, one proven node at a time.',
      command: '/app/operator.cjs',
      entries: [...of(operatorPrograms), { path: 'app/agent.json', mode: 0o644, bytes: agentManifest }],
    },
    {
      name: 'agent',
      description: 'The part of Drydock that is on each node.',
      command: '/app/courier.cjs',
      entries: [...of(agentPrograms), { path: 'usr/sbin/chroot', mode: 0o755, bytes: base.chroot }],
    },
  ]
}

function filesOfProgram({ name, code, legal }: Bundle): Entry[] {
  return [
    { path: `app/${name}.cjs`, mode: 0o644, bytes: code },
    { path: `app/${name}.LEGAL.txt`, mode: 0o644, bytes: legal },
  ]
}
