/** Pure: the folders in which containerd looks for CNI plugins. */
import type { Found } from '../engine.ts'
import { type Change, type Path, type Tree, tableAt } from '../toml/tree.ts'
import { criV2, isAtLeast, runtimeV3 } from './paths.ts'
import type { Document } from './view.ts'

const upstreamFolder = '/opt/cni/bin'

/** What the settings say; undefined when they do not. */
export function binFoldersIn(tree: Tree, version: number): readonly string[] | undefined {
  const { bin_dir: folder, bin_dirs: folders } = tableAt(tree, tableOf(version))
  if (Array.isArray(folders) && folders.length > 0) return folders.map(String)
  return typeof folder === 'string' && folder !== '' ? [folder] : undefined
}

/**
 * Plugins lie in other folders with another build or another distribution, and without them no pod gets a network. At least
 * one folder that has them must be among those of the files, or of the program when no file names any.
 */
export function cniWishes(
  { cniDefaults, cniFolders = [], observed }: Found,
  documents: readonly [Document, ...Document[]],
): Change[] {
  const [main] = documents
  const spelled = documents.map(({ tree, version }) => binFoldersIn(tree, version)).findLast((each) => each)
  const [first] = cniFolders
  const searched = spelled ?? cniDefaults ?? []
  if (first === undefined || searched.some((folder) => cniFolders.includes(folder.replace(/\/$/, '')))) return []
  const cni = tableOf(main.version)
  const isList = main.version > 2 && isAtLeast(observed.engine?.version, [2, 1])
  if (!isList) return [{ path: [...cni, 'bin_dir'], value: first }]
  const added: Change = {
    path: [...cni, 'bin_dirs'],
    value: [...new Set([...(spelled ?? [upstreamFolder]), ...cniFolders])],
  }
  // containerd refuses both at once.
  return tableAt(main.tree, cni)['bin_dir'] === undefined
    ? [added]
    : [{ path: [...cni, 'bin_dir'], value: undefined }, added]
}

function tableOf(version: number): Path {
  return [...(version === 2 ? criV2 : runtimeV3), 'cni']
}
