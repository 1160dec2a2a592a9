/** Pure: where version 3 of the format has what version 2 has in containerd's CRI plugin and in two plugins with other names. */
import { isTable, type Path, type Tree } from '../toml/tree.ts'
import { criV2, imagesV3, runtimeV3 } from './paths.ts'

/** Keys of version 2 that stay where they are. */
const serverKeys = new Set([
  'disable_tcp_service',
  'enable_tls_streaming',
  'stream_idle_timeout',
  'stream_server_address',
  'stream_server_port',
  'x509_key_pair_streaming',
])

const imageKeys = new Set([
  'image_decryption',
  'image_pull_progress_timeout',
  'image_pull_with_sync_fs',
  'max_concurrent_downloads',
  'registry',
  'stats_collect_period',
])

const imageKeysOfContainerd = new Set(['disable_snapshot_annotations', 'discard_unpacked_layers', 'snapshotter'])

const renamedPlugins: Readonly<Record<string, string>> = {
  'io.containerd.internal.v1.restart': 'io.containerd.monitor.container.v1.restart',
  'io.containerd.monitor.v1.cgroups': 'io.containerd.monitor.task.v1.cgroups',
}

/** What the program that is to read the file knows. */
export interface Dialect {
  /** From 2.1 on a list takes the place of cni.bin_dir. */
  readonly hasBinDirs: boolean
}

/** Where a key or a table of version 2 is in version 3. */
export function pathInVersion3(path: Path, dialect: Dialect): Path {
  const [plugins, id, key, ...rest] = path
  if (plugins !== 'plugins' || id === undefined) return path
  if (id !== criV2[1]) return [plugins, renamedPlugins[id] ?? id, ...path.slice(2)]
  if (key === undefined) return runtimeV3
  if (serverKeys.has(key)) return path
  if (key === 'sandbox_image') return [...imagesV3, 'pinned_images', 'sandbox']
  if (imageKeys.has(key)) return [...imagesV3, key, ...rest]
  if (key === 'containerd' && imageKeysOfContainerd.has(rest[0] ?? '')) return [...imagesV3, ...rest]
  if (key === 'containerd' && rest[0] === 'runtimes' && rest[2] === 'sandbox_mode')
    return [...runtimeV3, key, 'runtimes', rest[1]!, 'sandboxer']
  if (key === 'cni' && rest[0] === 'bin_dir' && dialect.hasBinDirs) return [...runtimeV3, key, 'bin_dirs']
  return [...runtimeV3, key, ...rest]
}

/** Whether the value of the key becomes a list of itself. */
export function isListed(path: Path, dialect: Dialect): boolean {
  return path.at(-1) === 'bin_dir' && pathInVersion3(path, dialect).at(-1) === 'bin_dirs'
}

/** The settings of a file of version 2 as version 3 has them. */
export function treeInVersion3(tree: Tree, dialect: Dialect): Map<string, unknown> {
  const leaves = [...leavesOf(tree)].map(([at, value]): [string, unknown] => {
    const path = JSON.parse(at) as Path
    return [JSON.stringify(pathInVersion3(path, dialect)), isListed(path, dialect) ? [value] : value]
  })
  return new Map([...leaves, [JSON.stringify(['version']), 3]])
}

/** Every value of a tree by its path, as JSON; tables without values say nothing. */
export function leavesOf(tree: Tree, at: Path = []): Map<string, unknown> {
  return new Map(
    Object.entries(tree).flatMap(([key, value]) =>
      isTable(value) ? [...leavesOf(value, [...at, key])] : [[JSON.stringify([...at, key]), value] as const],
    ),
  )
}
