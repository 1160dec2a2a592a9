/** What CRI-O there is on a host: by its systemd unit, never by PATH. */
import { join } from 'node:path/posix'
import type { Host } from '../../host/host.ts'
import type { FileFound, Found, Observed, OciRuntime, Staged } from '../engine.ts'
import { find, ociRuntime, programTimeoutMs } from '../programs.ts'
import type { Tree } from '../toml/tree.ts'
import { configFiles, type Service, serviceOf } from './files.ts'
import { cniConfig, cniFolders, listen, pauseImage } from './paths.ts'
import { defaults, effective } from './query.ts'
import { defaultHandlerOf, driverOf, handlersOf, textAt } from './settings.ts'

export async function detect(host: Host, staged?: Staged): Promise<Found | undefined> {
  const service = await serviceOf(host, staged)
  if (!service) return undefined
  const { binary, configPath, dropIns, searchPath } = service
  const files = await configFiles(host, service)
  const main = files.find(({ path, bytes }) => path === configPath && bytes !== undefined)
  const version = staged?.version ?? (await versionOf(host, binary))
  const engine = { name: 'cri-o', binary, configPath, ...(version ? { version } : {}) }
  const tree = await effective(host, service, { config: main ? configPath : '', dropIns })
  const text = await defaults(host, service)
  const refusal = [tree, text].find((each) => typeof each === 'object' && 'reason' in each)
  if (refusal) {
    return {
      observed: { engine },
      configFiles: files,
      ociRuntimes: [],
      searchPath,
      refusal: refusal as Found['refusal'] & object,
    }
  }
  const found = await handlersIn(host, service, tree as Tree)
  const socket = textAt(tree as Tree, listen)
  return {
    ...found,
    observed: { ...found.observed, engine: { ...engine, ...(socket ? { socket } : {}) } },
    configFiles: files,
    defaults: text as string,
    cniFolders: await pluginFolders(host),
    searchPath,
  }
}

/** "crio version 1.36.3", then lines about the build. */
async function versionOf(host: Host, binary: string): Promise<string | undefined> {
  const { stdout } = await host.run([binary, '--version'], { timeoutMs: programTimeoutMs })
  return /^crio version v?(\S+)/m.exec(stdout)?.[1]
}

/** A handler runs the program that it names, else that of its own name. */
export function programOf(
  host: Host,
  [name, table]: [string, Tree],
  folders: readonly string[],
): Promise<string | undefined> {
  return find(host, textAt(table, ['runtime_path']) ?? name, folders)
}

/** Handlers whose program is not there are not reported: CRI-O drops them when it starts, such as its built-in crun. */
async function handlersIn(
  host: Host,
  { searchPath }: Service,
  tree: Tree,
): Promise<Pick<Found, 'observed' | 'ociRuntimes'>> {
  const runtimes = new Map<string, OciRuntime>()
  const learn = async (path: string | undefined): Promise<void> => {
    const runtime = path === undefined || runtimes.has(path) ? undefined : await ociRuntime(host, path)
    if (runtime) runtimes.set(runtime.path, runtime)
  }
  for (const name of ['runc', 'crun']) await learn(await find(host, name, searchPath))
  const handlers: NonNullable<Observed['handlers']>[number][] = []
  for (const handler of handlersOf(tree)) {
    const binary = await programOf(host, handler, searchPath)
    if (binary === undefined) continue
    await learn(binary)
    handlers.push(handlerFound(tree, handler, { binary, version: runtimes.get(binary)?.version }))
  }
  const sandboxImage = textAt(tree, pauseImage)
  return {
    observed: { handlers, ...(sandboxImage ? { sandboxImage } : {}), engineDriver: driverOf(tree) },
    ociRuntimes: [...runtimes.values()],
  }
}

function handlerFound(
  tree: Tree,
  [name, table]: [string, Tree],
  { binary, version }: { binary: string; version: string | undefined },
): NonNullable<Observed['handlers']>[number] {
  return {
    name,
    default: name === defaultHandlerOf(tree),
    type: textAt(table, ['runtime_type']) ?? 'oci',
    binary,
    ...(version ? { version } : {}),
    cgroupDriver: driverOf(tree),
  }
}

/** Folders with plugins that the node's network configuration names, and those that every network needs. */
async function pluginFolders(host: Host): Promise<readonly string[]> {
  const names = new Set(['loopback'])
  for (const file of await host.listFolder(cniConfig)) {
    if (!/\.(conf|conflist|json)$/.test(file)) continue
    const path = join(cniConfig, file)
    for (const name of pluginsIn({ path, bytes: await host.readFile(path) })) names.add(name)
  }
  const folders: string[] = []
  for (const folder of cniFolders) {
    for (const name of names) {
      if (folders.includes(folder) || !(await host.isExecutable(join(folder, name)))) continue
      folders.push(folder)
    }
  }
  return folders
}

/** A file that is no JSON is no network either. */
function pluginsIn({ bytes }: FileFound): readonly string[] {
  try {
    const network = JSON.parse(bytes?.toString() ?? '') as { type?: unknown; plugins?: unknown }
    const plugins = Array.isArray(network.plugins) ? (network.plugins as { type?: unknown }[]) : [network]
    return plugins.flatMap(({ type }) => (typeof type === 'string' && !type.includes('/') ? [type] : []))
  } catch {
    return []
  }
}
