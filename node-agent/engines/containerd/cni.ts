/** Pure: the folders in which containerd looks for CNI plugins. */
import type { Found } from '../engine.ts'
import { Refused } from '../refused.ts'
import { type Change, type Path, type Tree, tableAt } from '../toml/tree.ts'
import { placeOf, type Source } from './documents.ts'
import { criV2, isAtLeast, runtimeV3 } from './paths.ts'

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
  documents: readonly [Source, ...Source[]],
): Change[] {
  const [main] = documents
  const owner = documents.findLast(({ tree, version }) => binFoldersIn(tree, version)) ?? main
  const spelled = binFoldersIn(owner.tree, owner.version)
  const [first] = cniFolders
  const searched = spelled ?? cniDefaults ?? []
  if (first === undefined || searched.some((folder) => cniFolders.includes(folder.replace(/\/$/, '')))) return []
  const cni = tableOf(owner.version)
  const isList = owner.version > 2 && isAtLeast(observed.engine?.version, [2, 1])
  const added: Change = isList
    ? { path: [...cni, 'bin_dirs'], value: [...new Set([...(spelled ?? [upstreamFolder]), ...cniFolders])] }
    : { path: [...cni, 'bin_dir'], value: first }
  if (owner !== main) throw decidedBy(owner, added)
  if (!isList) return [added]
  // containerd refuses both at once.
  return tableAt(main.tree, cni)['bin_dir'] === undefined
    ? [added]
    : [{ path: [...cni, 'bin_dir'], value: undefined }, added]
}

/** Whatever the main file says counts for nothing, or keeps the CRI plugin from loading: bin_dirs beside a bin_dir. */
function decidedBy(owner: Source, { path, value }: Change): Refused {
  const cni = tableOf(owner.version)
  const spelled = Object.hasOwn(tableAt(owner.tree, cni), 'bin_dirs') ? 'bin_dirs' : 'bin_dir'
  return new Refused(
    'ConfigOverridden',
    `${placeOf(owner, [...cni, spelled])} is imported and decides where containerd looks for CNI plugins, and none of the node's are there: write ${path.at(-1)} = ${JSON.stringify(value)} in its place`,
  )
}

function tableOf(version: number): Path {
  return [...(version === 2 ? criV2 : runtimeV3), 'cni']
}
