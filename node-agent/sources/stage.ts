/**
 * Where an engine's programs come from. Whatever takes time or may fail happens here, while nothing that is live is
 * touched: at the end the programs lie ready on the host, or nothing was left behind.
 */
import { join } from 'node:path/posix'
import type { Engine, Layout, Pasts, Refusal, Staged, Target } from '../engines/engine.ts'
import { ociRuntime } from '../engines/programs.ts'
import { Refused } from '../engines/refused.ts'
import { isVersion } from '../engines/version.ts'
import { NoSpaceError, ReadOnlyError } from '../host/errors.ts'
import type { Host } from '../host/host.ts'
import { type Archive, type Fetching, placeArchive, placeProgram } from './archive/archive.ts'
import { engineVersion } from './engine-version.ts'
import { folderOf, programsFolder } from './folders.ts'
import { stagePackages } from './packages/stage.ts'
import { unitFiles } from './unit-files.ts'

export interface Wanted {
  readonly engine: Engine
  readonly target: Target
  readonly pasts: Pasts
}

/**
 * Brings the target's programs onto the host. Undefined: those of the engine are there already. Can be repeated; what was
 * brought before is used again without the network.
 */
export async function stage(fetching: Fetching, wanted: Wanted): Promise<Staged | Refusal | undefined> {
  const before = new Set(await fetching.host.listFolder(programsFolder))
  try {
    return await brought(fetching, wanted)
  } catch (error) {
    for (const name of await fetching.host.listFolder(programsFolder)) {
      if (!before.has(name)) await fetching.staging.removeFolder(join(programsFolder, name))
    }
    if (error instanceof Refused) return error.refusal
    if (error instanceof NoSpaceError) return { reason: 'NoSpace', message: error.message }
    if (error instanceof ReadOnlyError) return { reason: 'ReadOnly', message: error.message }
    throw error
  }
}

async function brought(fetching: Fetching, wanted: Wanted): Promise<Staged | undefined> {
  await placeHandlers(fetching, wanted.target)
  const { source } = wanted.target.engine
  if (source?.archive) return stageArchive(fetching, wanted, source.archive)
  if (source?.package) return stagePackages(fetching, wanted)
  return undefined
}

type Handler = NonNullable<Target['handlers']>[number]

function programOf({ type }: Handler, { sha256 }: Archive): string {
  return join(folderOf(type, sha256), type)
}

/** Pure: the target with the program of each handler that has an archive named as its binary, where `stage` puts it. */
export function withPrograms(target: Target): Target {
  const handlers = target.handlers?.map((handler) =>
    handler.archive ? { ...handler, binary: programOf(handler, handler.archive) } : handler,
  )
  return handlers ? { ...target, handlers } : target
}

async function placeHandlers(fetching: Fetching, { handlers = [] }: Target): Promise<void> {
  for (const { name, type, archive } of handlers) {
    if (!archive) continue
    await placeProgram(fetching, type, archive, async (program) => {
      const found = await ociRuntime(fetching.host, program)
      if (found?.kind === type) return
      const what = found ? 'is another program' : 'does not run on this node'
      throw new Refused(
        'ProgramMissing',
        `${archive.url} of handler "${name}" should be the program ${type} itself and ${what}: take the file for ${process.arch} from a release of ${type}`,
      )
    })
  }
}

async function stageArchive(
  fetching: Fetching,
  { engine, target, pasts }: Wanted,
  archive: NonNullable<NonNullable<Target['engine']['source']>['archive']>,
): Promise<Staged> {
  const { layout } = engine
  const { host } = fetching
  const judge = (folder: string): Promise<string> => judged(host, folder, { layout, archive, target })
  const folder = await placeArchive(fetching, engine.name, archive, async (unpacked) => void (await judge(unpacked)))
  const version = await judge(folder)
  const cniFolder = await placeCniPlugins(fetching, archive.cniPlugins)
  return {
    program: join(folder, layout.program),
    version,
    searchPath: layout.programFolders.map((each) => join(folder, each)),
    files: await unitFiles(host, layout, folder, pasts),
    ...(cniFolder !== undefined && { cniFolder }),
  }
}

interface Judging {
  readonly layout: Layout
  readonly archive: Archive
  readonly target: Target
}

/** The version of the engine in the folder. Throws Refused when it is not what the profile asks for. */
async function judged(host: Host, folder: string, { layout, archive, target }: Judging): Promise<string> {
  await expectAll(host, folder, [layout.program, ...layout.programFolders], archive)
  const version = await engineVersion(host, join(folder, layout.program))
  const wanted = target.engine.version
  if (wanted === undefined || isVersion(version, wanted)) return version
  throw new Refused(
    'EngineVersionDiffers',
    `${archive.url} holds version ${version}, the profile asks for ${wanted}: correct spec.engine.version or the archive`,
  )
}

async function placeCniPlugins(fetching: Fetching, archive: Archive | undefined): Promise<string | undefined> {
  return (
    archive &&
    placeArchive(fetching, 'cni-plugins', archive, (unpacked) =>
      // Every engine calls this one for each pod.
      expectAll(fetching.host, unpacked, ['loopback'], archive),
    )
  )
}

async function expectAll(host: Host, unpacked: string, paths: readonly string[], { url }: Archive): Promise<void> {
  for (const path of paths) {
    if ((await host.realPath(join(unpacked, path))) !== undefined) continue
    const message = `${url} has no ${path}, so it is no release archive of that program: take the archive in the upstream layout`
    throw new Refused('ProgramMissing', message)
  }
}
