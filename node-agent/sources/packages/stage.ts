/** The packages of the node's own distribution: looked up, downloaded and unpacked beside what runs, installed later. */
import { createHash } from 'node:crypto'
import { basename, join } from 'node:path/posix'
import type { Engine, Pasts, Staged, Target } from '../../engines/engine.ts'
import { defaultSearchPath, find, programTimeoutMs } from '../../engines/programs.ts'
import { Refused } from '../../engines/refused.ts'
import { isVersion } from '../../engines/version.ts'
import type { Host } from '../../host/host.ts'
import type { PackageChange } from '../../journal/records.ts'
import { engineVersion } from '../engine-version.ts'
import { folderOf, needSpace, type Placing, placeFolder, programsFolder } from '../folders.ts'
import { formerUnitFiles } from '../unit-files.ts'
import { managers } from './change.ts'
import { output, type Package, type PackageManager } from './manager.ts'

/** What distributions, and the engines' own repositories, call them. */
const packageNames: Readonly<Record<Engine['name'], readonly [string, ...string[]]>> = {
  containerd: ['containerd', 'containerd.io'],
  'cri-o': ['cri-o'],
}

const searchFolders = defaultSearchPath.split(':')

/** Where the packages of CRI-O put its own runc, crun and conmon. */
const crioPrograms = '/usr/libexec/crio'

interface Wanted {
  readonly engine: Engine
  readonly target: Target
  readonly pasts: Pasts
}

/** What a host has, what it shall have, and whom to ask. */
interface Choosing {
  readonly host: Host
  readonly manager: PackageManager
}

/** Undefined when the host has all that the target asks for. */
export async function stagePackages(placing: Placing, { engine, target, pasts }: Wanted): Promise<Staged | undefined> {
  const { host } = placing
  const manager = await managerOf(host)
  const wanted = await chosen({ host, manager }, { engine, target })
  if (wanted.length === 0) return installed(host, engine, pasts)
  const blocked = await manager.blocked(host)
  if (blocked !== undefined) throw new Refused('PackagesBroken', `packages of this node cannot be changed: ${blocked}`)
  if (!(await host.isWritable('/usr'))) {
    const message =
      '/usr is on a read-only file system, so no packages can be installed: mount it writable, or write source.archive'
    throw new Refused('ReadOnly', message)
  }
  const { install, remove } = await manager.resolve(host, wanted)
  if (remove.length > 0) {
    const message = `${manager.name} would remove ${remove.join(', ')} to install ${install.map(({ name }) => name).join(' and ')}: take them off the node yourself when nothing needs them, or write source.archive`
    throw new Refused('PackageConflict', message)
  }
  const former = await Promise.all(
    install.map(async ({ name }) => ({ name, version: await manager.installed(host, name) })),
  )
  const content = JSON.stringify([manager.name, install, former])
  const folder = folderOf('packages', createHash('sha256').update(content).digest('hex'))
  await placeFolder(placing, folder, (unfinished) => fill(placing, manager, { install, former, folder: unfinished }))
  return staged({ host, manager }, { engine, pasts, folder, install, former })
}

/** Nothing to bring; but where an archive's programs run, those of the package are to run again. */
async function installed(host: Host, engine: Engine, pasts: Pasts): Promise<Staged | undefined> {
  const files = await formerUnitFiles(host, engine, pasts)
  if (files.length === 0) return undefined
  return { ...(await programOf(host, engine, searchFolders)), searchPath: [], files }
}

async function managerOf(host: Host): Promise<PackageManager> {
  for (const manager of managers) {
    const program = manager.name === 'apt' ? 'apt-get' : manager.name
    if ((await find(host, program, searchFolders)) !== undefined) return manager
  }
  throw new Refused('SourceNotSupported', 'this node has none of apt, dnf and zypper: write source.archive')
}

async function chosen(
  choosing: Choosing,
  { engine, target }: Pick<Wanted, 'engine' | 'target'>,
): Promise<readonly Package[]> {
  const { host, manager } = choosing
  const { version } = target.engine
  const here: Package[] = []
  for (const name of packageNames[engine.name]) {
    const installed = await manager.installed(host, name)
    if (installed !== undefined) here.push({ name, version: installed })
  }
  const isMet = here.some((each) => meets(each.version, version))
  // They exclude each other: the one that is there becomes newer or older, and never makes room for the other.
  const names = here.length > 0 ? here.map(({ name }) => name) : packageNames[engine.name]
  const packages = isMet ? [] : [await candidate(choosing, names, version)]
  // CRI-O brings runc and crun in a folder of its own.
  if (engine.name === 'cri-o') return packages
  for (const type of await missingRuntimes(host, target)) packages.push(await candidate(choosing, [type], undefined))
  return packages
}

async function missingRuntimes(host: Host, { handlers = [] }: Target): Promise<ReadonlySet<string>> {
  const missing = new Set<string>()
  for (const { type, archive, binary } of handlers) {
    if (archive || binary !== undefined || (type !== 'runc' && type !== 'crun')) continue
    if ((await find(host, type, searchFolders)) === undefined) missing.add(type)
  }
  return missing
}

const meets = (version: string, wanted: string | undefined): boolean =>
  wanted === undefined || isVersion(version.replace(/^\d+:/, ''), wanted)

/** Asks the network only when what the host knows already does not do. */
async function candidate(
  { host, manager }: Choosing,
  names: readonly string[],
  version: string | undefined,
): Promise<Package> {
  const found: string[] = []
  for (const look of ['as known', 'refreshed'] as const) {
    if (look === 'refreshed') await manager.refresh(host)
    for (const name of names) {
      const versions = await manager.available(host, name)
      const first = versions.find((each) => meets(each, version))
      if (first !== undefined) return { name, version: first }
      if (look === 'refreshed') found.push(...versions.map((each) => `${name} ${each}`))
    }
  }
  const wanted = `${names.join(' or ')}${version === undefined ? '' : ` ${version}`}`
  const known = found.length > 0 ? `only ${found.slice(0, 5).join(', ')}` : 'nothing of that name'
  throw new Refused(
    'PackageNotFound',
    `${manager.name} has ${known}, not ${wanted}: add a repository that has it to this node, or write another spec.engine.version or source`,
  )
}

interface Changing {
  readonly install: readonly Package[]
  readonly former: readonly { readonly name: string; readonly version: string | undefined }[]
  readonly folder: string
}

const partsOf = (folder: string) => ({
  /** Files of the packages to install. */
  fresh: join(folder, 'new'),
  former: join(folder, 'former'),
  /** What the former holds, unpacked. */
  root: join(folder, 'root'),
})

async function fill({ host, staging }: Placing, manager: PackageManager, changing: Changing): Promise<void> {
  const { fresh, former, root } = partsOf(changing.folder)
  await needSpace(host, changing.folder, 0)
  for (const each of [fresh, former, root]) await staging.makeFolder(each)
  for (const each of changing.install) {
    const archive = await obtain({ host, manager }, each, fresh)
    if (archive === undefined) {
      const message = `${manager.name} cannot download ${each.name} ${each.version}: make its repository reachable from this node`
      throw new Refused('DownloadFailed', message)
    }
    await manager.unpack(host, archive, root)
  }
  // The package manager unpacks once more, beside what it replaces; a disk that is full by then would stop the switch.
  const [bytes] = (await output(host, ['du', '--summarize', '--bytes', '--', root], programTimeoutMs)).split('\t')
  await needSpace(host, '/usr', Number(bytes))
  for (const { name, version } of changing.former) {
    if (version === undefined || (await obtain({ host, manager }, { name, version }, former)) !== undefined) continue
    const message = `${name} ${version}, which this node has, is no longer to be had by ${manager.name}, so that the change could not be undone: put its file into ${manager.cache}, or write source.archive`
    throw new Refused('FormerPackageMissing', message)
  }
}

/** From what lies on the host, else from the network. The lists may be older than the repository: then once more. */
async function obtain({ host, manager }: Choosing, wanted: Package, folder: string): Promise<string | undefined> {
  const own = (await host.listFolder(programsFolder)).filter((name) => name.startsWith('packages-'))
  for (const each of [manager.cache, ...own.map((name) => partsOf(join(programsFolder, name)).fresh)]) {
    const kept = await manager.find(host, wanted, each)
    if (kept === undefined) continue
    const copied = await host.run(['cp', '--', kept, join(folder, basename(kept))], { timeoutMs: programTimeoutMs })
    if (copied.code === 0) return manager.find(host, wanted, folder)
  }
  await manager.download(host, wanted, folder)
  const downloaded = await manager.find(host, wanted, folder)
  if (downloaded !== undefined) return downloaded
  await manager.refresh(host)
  await manager.download(host, wanted, folder)
  return manager.find(host, wanted, folder)
}

async function staged(
  choosing: Choosing,
  { engine, pasts, ...changing }: Pick<Wanted, 'engine' | 'pasts'> & Changing,
): Promise<Staged> {
  const { host, manager } = choosing
  const { fresh, former, root } = partsOf(changing.folder)
  const file = async (wanted: Package, folder: string): Promise<string> => {
    const path = await manager.find(host, wanted, folder)
    if (path === undefined) throw new Error(`${folder} is no longer whole: remove ${changing.folder}.`)
    return path
  }
  const install: PackageChange['install'][number][] = []
  for (const each of changing.install) install.push({ ...each, archive: await file(each, fresh) })
  const before: PackageChange['former'][number][] = []
  const brought: string[] = []
  for (const { name, version } of changing.former) {
    before.push(version === undefined ? { name } : { name, version, archive: await file({ name, version }, former) })
    const paths = await manager.configFiles(host, install.find((each) => each.name === name)!.archive)
    const own = version === undefined ? paths : []
    const beside = paths.flatMap((path) => manager.leftovers.map((ending) => path + ending))
    for (const path of [...own, ...beside]) if ((await host.readFile(path)) === undefined) brought.push(path)
  }
  const names = install.map(({ name }) => name)
  const held = await manager.held(host, names)
  const { program, version } = await programOf(host, engine, [
    ...searchFolders.map((each) => join(root, each)),
    ...searchFolders,
  ])
  return {
    program,
    version,
    searchPath: (await host.realPath(join(root, crioPrograms))) === undefined ? [] : [crioPrograms],
    root,
    files: await formerUnitFiles(host, engine, pasts),
    packages: { manager: manager.name, install, former: before, held, brought },
  }
}

/** The engine's program as the packages have it, or the one that is there when only a handler's program is missing. */
async function programOf(
  host: Host,
  { layout, name }: Engine,
  folders: readonly string[],
): Promise<Pick<Staged, 'program' | 'version'>> {
  const program = await find(host, basename(layout.program), folders)
  if (program === undefined)
    throw new Refused('ProgramMissing', `the packages of ${name} have no ${basename(layout.program)}`)
  return { program, version: await engineVersion(host, program) }
}
