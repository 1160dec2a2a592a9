/** What containerd there is on a host: by its systemd unit, never by PATH, because a host may have several. */
import { dirname, isAbsolute, join, matchesGlob } from 'node:path/posix'
import { foldersWithPlugins } from '../../cni/plugins.ts'
import type { Host } from '../../host/host.ts'
import type { FileFound, Found, Observed, OciRuntime, Refusal, Staged } from '../engine.ts'
import { find, ociRuntime, programTimeoutMs } from '../programs.ts'
import { textOf } from '../refused.ts'
import { parseTree, type Tree, valueAt } from '../toml/tree.ts'
import { binFoldersIn } from './cni.ts'
import { defaultConfig, majorOf, runcType } from './paths.ts'
import { type Service, serviceOf } from './service.ts'
import { importRefusal, upgradeRefusal } from './upgrade.ts'
import { driverOf, driverOfHandler, handlersOf, viewOf } from './view.ts'

/** How deep files may import files: more is a mistake. */
const importDepth = 5

export async function detect(host: Host, staged?: Staged): Promise<Found | undefined> {
  const service = await serviceOf(host, staged)
  if (!service) return undefined
  const { binary, main, readAt, replaced, searchPath, version } = service
  const configFiles = [main, ...(await importsOf(host, main))] as const
  const engine = { name: 'containerd', binary, configPath: main.path, ...(version ? { version } : {}) }
  const known = {
    configFiles,
    searchPath,
    ...(replaced?.version ? { replaces: replaced.version } : {}),
    ...(main.bytes || readAt === undefined ? {} : { defaults: (await host.readFile(readAt))?.toString() ?? '' }),
  }
  const dumped = await dump(host, binary, readAt)
  const refusal = service.refusal ?? importRefusal(configFiles, version) ?? ('reason' in dumped ? dumped : undefined)
  if (refusal || 'reason' in dumped) {
    return { observed: { engine }, ociRuntimes: [], ...known, ...(refusal ? { refusal } : {}) }
  }
  const cni = await cniOf(host, dumped, { files: configFiles, staged })
  const lost = await lostBy(host, service, { observed: { engine }, ociRuntimes: [], ...known, log: dumped.log })
  const { observed, ociRuntimes } = await effective(host, dumped, searchPath)
  const stated = treeOrNone(main)['version']
  const configVersion = typeof stated === 'number' ? stated : dumped.version
  const socket = socketOf(dumped.tree)
  return {
    observed: { ...observed, engine: { ...engine, configVersion, ...(socket ? { socket } : {}) } },
    ociRuntimes,
    ...known,
    ...cni,
    ...(lost ? { refusal: lost } : {}),
  }
}

/** Builds differ in where they look for CNI plugins when no file tells them. */
async function cniOf(
  host: Host,
  { tree, version }: Dumped,
  { files, staged }: { files: readonly FileFound[]; staged: Staged | undefined },
): Promise<Pick<Found, 'cniFolders' | 'cniDefaults'>> {
  const searched = binFoldersIn(tree, version) ?? []
  const isSpelled = files.map(treeOrNone).some((each) => binFoldersIn(each, 2) ?? binFoldersIn(each, 3))
  const cniFolders = staged?.cniFolder ? [staged.cniFolder] : await foldersWithPlugins(host, searched)
  return { cniFolders, ...(isSpelled ? {} : { cniDefaults: searched }) }
}

/** What the files say and the next program does not do any more. */
async function lostBy(
  host: Host,
  { main, replaced }: Service,
  found: Found & { log: string },
): Promise<Refusal | undefined> {
  if (!replaced || main.bytes === undefined) return undefined
  if (majorOf(replaced.version) >= 2 || majorOf(found.observed.engine?.version) < 2) return undefined
  const known = await dump(host, replaced.binary, main.path)
  // A file that the program which runs refuses is repaired by nobody but its owner, and 2.x has just read it.
  if ('reason' in known) return undefined
  return upgradeRefusal(found, { known: known.tree, log: found.log })
}

export interface Dumped {
  readonly tree: Tree
  readonly version: number
  readonly path: string
  /** What the program said besides: what it ignores, what it had to convert. */
  readonly log: string
}

/**
 * The effective configuration, imports and defaults in it, as the engine's own parser sees it. Without a path: what it is
 * without a file, because 1.x fails to dump a file that is not there, although it starts without one.
 */
export async function dump(host: Host, binary: string, path: string | undefined): Promise<Dumped | Refusal> {
  const command = path === undefined ? ['config', 'default'] : ['--config', path, 'config', 'dump']
  const { code, stdout, stderr } = await host.run([binary, ...command], { timeoutMs: programTimeoutMs })
  if (code !== 0) {
    const message = `containerd does not accept its configuration ${path ?? ''}: ${stderr.trim().slice(-1000)}`
    return { reason: 'ConfigInvalid', message }
  }
  const tree = parseTree(stdout)
  return { tree, version: Number(tree['version'] ?? 2), path: path ?? defaultConfig, log: stderr }
}

/** The programs that runc-type handlers name, else `runc`, looked up as containerd's shim does. */
export async function programOf(host: Host, handler: Tree, searchPath: readonly string[]): Promise<string | undefined> {
  const named = valueAt(handler, ['options', 'BinaryName'])
  return find(host, typeof named === 'string' && named !== '' ? named : 'runc', searchPath)
}

async function effective(
  host: Host,
  dumped: Dumped,
  searchPath: readonly string[],
): Promise<Pick<Found, 'observed' | 'ociRuntimes'>> {
  const view = viewOf(dumped)
  const runtimes = new Map<string, OciRuntime>()
  const learn = async (path: string | undefined): Promise<void> => {
    if (path === undefined || runtimes.has(path)) return
    const runtime = await ociRuntime(host, path)
    if (runtime) runtimes.set(path, runtime)
  }
  for (const name of ['runc', 'crun']) await learn(await find(host, name, searchPath))
  const handlers: NonNullable<Observed['handlers']>[number][] = []
  for (const [name, handler] of handlersOf(view)) {
    const binary = handler['runtime_type'] === runcType ? await programOf(host, handler, searchPath) : undefined
    await learn(binary)
    handlers.push(handlerFound(name, handler, { binary, runtimes, isDefault: name === view['default_runtime_name'] }))
  }
  const sandboxImage = view['sandbox_image']
  const driver = driverOf(view)
  return {
    observed: {
      handlers,
      ...(typeof sandboxImage === 'string' && sandboxImage !== '' ? { sandboxImage } : {}),
      ...(driver ? { engineDriver: driver } : {}),
    },
    ociRuntimes: [...runtimes.values()],
  }
}

function handlerFound(
  name: string,
  handler: Tree,
  known: { binary: string | undefined; runtimes: ReadonlyMap<string, OciRuntime>; isDefault: boolean },
): NonNullable<Observed['handlers']>[number] {
  const driver = driverOfHandler(handler)
  const version = known.binary ? known.runtimes.get(known.binary)?.version : undefined
  return {
    name,
    default: known.isDefault,
    ...(handler['runtime_type'] ? { type: String(handler['runtime_type']) } : {}),
    ...(known.binary ? { binary: known.binary } : {}),
    ...(version ? { version } : {}),
    ...(driver ? { cgroupDriver: driver } : {}),
  }
}

/** Version 4 keeps the address in a plugin of its own. */
function socketOf(tree: Tree): string | undefined {
  const address =
    valueAt(tree, ['plugins', 'io.containerd.server.v1.grpc', 'address']) ?? valueAt(tree, ['grpc', 'address'])
  return typeof address === 'string' && address !== '' ? address : undefined
}

/** Files that a file imports, and those that these import, each once, in the order of reading. */
export async function importsOf(host: Host, main: FileFound): Promise<FileFound[]> {
  const seen = new Set([main.path])
  const files: FileFound[] = []
  const visit = async (file: FileFound, depth: number): Promise<void> => {
    for (const path of await importedBy(host, file)) {
      if (seen.has(path) || depth > importDepth) continue
      seen.add(path)
      const imported = { path, bytes: await host.readFile(path) }
      if (imported.bytes === undefined) continue
      files.push(imported)
      await visit(imported, depth + 1)
    }
  }
  await visit(main, 1)
  return files
}

async function importedBy(host: Host, file: FileFound): Promise<string[]> {
  const tree = treeOrNone(file)
  const imports = Array.isArray(tree['imports']) ? tree['imports'].filter((each) => typeof each === 'string') : []
  const paths: string[] = []
  for (const each of imports) {
    const path = isAbsolute(each) ? each : join(dirname(file.path), each)
    paths.push(...(path.includes('*') ? await matches(host, path) : [path]))
  }
  return paths
}

/** A file that cannot be parsed is refused later, with its line. */
function treeOrNone(file: FileFound): Tree {
  try {
    return parseTree(textOf(file.path, file.bytes))
  } catch {
    return {}
  }
}

/** Only the last part of a path may be a pattern, as in every configuration seen so far. */
async function matches(host: Host, pattern: string): Promise<string[]> {
  const folder = dirname(pattern)
  const name = pattern.slice(folder.length + 1)
  return (await host.listFolder(folder)).filter((each) => matchesGlob(each, name)).map((each) => join(folder, each))
}
