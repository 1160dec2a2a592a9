/** What CRI-O there is on a host: by its systemd unit, never by PATH. */
import { dirname, join } from 'node:path/posix'
import type { Host } from '../../host/host.ts'
import {
  type FileFound,
  type Found,
  isRefusal,
  type Observed,
  type OciRuntime,
  type Refusal,
  type Staged,
} from '../engine.ts'
import { find, ociRuntime, programTimeoutMs } from '../programs.ts'
import { orRefusal } from '../refused.ts'
import { type Tree, valueAt } from '../toml/tree.ts'
import { configFiles, type Service, serviceOf } from './files.ts'
import { cniConfig, cniFolders, listen, pauseImage, pluginFolders } from './paths.ts'
import { defaults, effective, type Files, withStagedSettings } from './query.ts'
import { defaultHandlerOf, documentsOf, driverOf, effectiveTree, handlersOf, spelledIn, textAt } from './settings.ts'

export async function detect(host: Host, staged?: Staged): Promise<Found | undefined> {
  const service = await serviceOf(host, staged)
  if (!service) return undefined
  const { binary, configPath, replaced, searchPath } = service
  const files = await configFiles(host, service)
  const version = staged?.version ?? (await versionOf(host, binary))
  const replaces = replaced && (await versionOf(host, replaced))
  const engine = { name: 'cri-o', binary, configPath, ...(version ? { version } : {}) }
  const known = { configFiles: files, searchPath, ...(replaces ? { replaces } : {}) }
  const answer = service.refusal ?? (await answerOf(host, service, { files, staged }))
  if (isRefusal(answer)) return { observed: { engine }, ociRuntimes: [], ...known, refusal: answer }
  const { tree, text } = answer
  const socket = textAt(tree, listen)
  const bare = {
    ...known,
    observed: { engine: { ...engine, ...(socket ? { socket } : {}) } },
    ociRuntimes: [],
    defaults: text,
  }
  const documents = orRefusal(() => documentsOf(bare, files[0]))
  if (isRefusal(documents)) return { ...bare, refusal: documents }
  const { earlier, own, later } = documents
  const spelled = spelledIn([...earlier, own, ...later])
  const { observed, ociRuntimes } = await handlersIn(host, { tree, spelled, searchPath })
  const found = { ...bare, observed: { ...observed, ...bare.observed }, ociRuntimes }
  return { ...found, cniFolders: await missedFolders(host, found, staged) }
}

/** What CRI-O makes of its files, those included that packages are about to bring; and its defaults. */
async function answerOf(
  host: Host,
  service: Service,
  { files, staged }: { files: readonly FileFound[]; staged: Staged | undefined },
): Promise<{ tree: Tree; text: string } | Refusal> {
  const { configPath, dropIns } = service
  const ask = (where: Files): Promise<Tree | Refusal> => effective(host, service, where)
  const hasMain = files.some(({ path, bytes }) => path === configPath && bytes !== undefined)
  const tree = staged?.packages
    ? await withStagedSettings(host, service, { files, ask })
    : await ask({ config: hasMain ? configPath : '', dropIns })
  if (isRefusal(tree)) return tree as Refusal
  const text = await defaults(host, service)
  return typeof text === 'string' ? { tree: tree as Tree, text } : text
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

/**
 * Handlers whose program is not there are not reported, because CRI-O drops them when it starts; nor is its built-in crun
 * where no file speaks of it and pods without a handler get another one.
 */
async function handlersIn(
  host: Host,
  { tree, spelled, searchPath }: { tree: Tree; spelled: ReadonlySet<string>; searchPath: readonly string[] },
): Promise<Pick<Found, 'observed' | 'ociRuntimes'>> {
  const runtimes = new Map<string, OciRuntime>()
  const learn = async (path: string | undefined): Promise<void> => {
    const runtime = path === undefined || runtimes.has(path) ? undefined : await ociRuntime(host, path)
    if (runtime) runtimes.set(runtime.path, runtime)
  }
  for (const name of ['runc', 'crun']) await learn(await find(host, name, searchPath))
  const handlers: NonNullable<Observed['handlers']>[number][] = []
  for (const handler of handlersOf(tree)) {
    const [name] = handler
    if (!spelled.has(name) && name !== defaultHandlerOf(tree)) continue
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

/** Where plugins are that the node's network names and CRI-O would not find: Debian has them in /usr/lib/cni. */
async function missedFolders(host: Host, found: Found, staged: Staged | undefined): Promise<readonly string[]> {
  const places = [...brought(found, staged), ...cniFolders]
  const { earlier, later } = documentsOf(found, { ...found.configFiles[0], bytes: undefined })
  const searched = valueAt(effectiveTree(found, [...earlier, ...later]), pluginFolders)
  const folders: string[] = []
  for (const name of await plugins(host)) {
    const known = [...(Array.isArray(searched) ? searched.map(String) : []), ...folders]
    if ((await find(host, name, known)) !== undefined) continue
    const path = await find(host, name, places)
    if (path !== undefined) folders.push(dirname(path))
  }
  return folders
}

/** The static bundle has plugins beside its programs. */
function brought({ observed }: Found, staged: Staged | undefined): readonly string[] {
  const bundled = join(dirname(observed.engine?.binary ?? '/'), '../cni-plugins')
  return staged?.cniFolder === undefined ? [bundled] : [staged.cniFolder, bundled]
}

async function plugins(host: Host): Promise<readonly string[]> {
  const names: string[] = []
  for (const file of await host.listFolder(cniConfig)) {
    if (!/\.(conf|conflist|json)$/.test(file)) continue
    const path = join(cniConfig, file)
    names.push(...pluginsIn({ path, bytes: await host.readFile(path) }))
  }
  return names
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
