/** Reads the configuration files into documents, and refuses those that no edit can help. */
import type { FileFound, Found } from '../engine.ts'
import { Refused, textOf } from '../refused.ts'
import { treeOf } from '../toml/file.ts'
import { lineOf } from '../toml/statements.ts'
import { type Change, type Path, type Tree, tableAt } from '../toml/tree.ts'
import { criPlugins, majorOf, newestVersion, versionForNew } from './paths.ts'
import { type Document, hasCri } from './view.ts'

/** A document whose places can be named. */
export interface Source extends Document {
  readonly text: string
}

/** Where a file says what is at the path, for people. */
export function placeOf({ path, text }: Source, key: Path): string {
  return `${path}:${lineOf(text, key)}`
}

/** The main file first. A file without any key counts as one of the version that a new file would have. */
export function documentsOf(found: Found, main: FileFound): readonly [Source, ...Source[]] {
  const [, ...imports] = found.configFiles
  const version = versionOf(found, main)
  const major = majorOf(found.observed.engine?.version)
  const documents = imports.map((file) => {
    const source = { path: file.path, tree: treeOf(file), text: textOf(file.path, file.bytes) }
    return checked({ ...source, version: numberOf(source.tree) ?? spelledVersion(source, { major, version }) })
  })
  return [{ path: main.path, tree: treeOf(main), version, text: textOf(main.path, main.bytes) }, ...documents]
}

/** An import without a version: 1.x reads it as it reads the main file, 2.x takes the keys of every version in it. */
function spelledVersion(
  source: Omit<Document, 'version'>,
  { major, version }: { major: number; version: number },
): number {
  const spelled = [2, 3].find((each) => hasCri({ ...source, version: each }))
  return major < 2 ? version : (spelled ?? version)
}

/** What makes the file one that says its version and has the CRI plugin: Docker's packages bring one that does neither. */
export function groundwork({ tree, version }: Document): Change[] {
  const disabled = disabledPlugins(tree)
  const kept = disabled.filter((plugin) => !criPlugins.includes(plugin))
  return [
    ...(numberOf(tree) === undefined ? [{ path: ['version'], value: version }] : []),
    ...(kept.length < disabled.length ? [{ path: ['disabled_plugins'], value: kept }] : []),
  ]
}

function versionOf(found: Found, main: FileFound): number {
  const tree = treeOf(main)
  const version = numberOf(tree)
  const engine = found.observed.engine?.version
  if (version === undefined && isOfAnyVersion(tree)) return versionForNew(majorOf(engine))
  const migrate = `run "containerd config migrate" and put its output there, or add what the file lacks`
  if (version === undefined) {
    throw new Refused(
      'ConfigVersionMissing',
      `${main.path} has no "version" line, so containerd reads it as version 1 and ignores CRI settings of later versions: ${migrate} (version = 2 as its first line, when the rest is written for it)`,
    )
  }
  if (version < 2) {
    const line = lineOf(textOf(main.path, main.bytes), ['version'])
    throw new Refused('ConfigVersionOld', `${main.path}:${line} is of version ${version}: ${migrate}`)
  }
  const newest = majorOf(engine) < 2 ? 2 : newestVersion
  if (version > newest) {
    const line = lineOf(textOf(main.path, main.bytes), ['version'])
    throw new Refused(
      'ConfigVersionNew',
      `${main.path}:${line} is of version ${version}, but containerd ${engine ?? ''} is known to read at most version ${newest}: write the file in that version`,
    )
  }
  return version
}

/** Everything outside of plugins is alike in all versions, but for the short names that version 1 has for plugins. */
function isOfAnyVersion(tree: Tree): boolean {
  const named = [...disabledPlugins(tree), ...listAt(tree, 'required_plugins')].filter((plugin) => plugin !== 'cri')
  return Object.keys(tableAt(tree, ['plugins'])).length === 0 && named.every((plugin) => plugin.startsWith('io.'))
}

function checked(source: Source): Source {
  const plugin = disabledPlugins(source.tree).find((each) => criPlugins.includes(each))
  if (plugin === undefined) return source
  throw new Refused(
    'CriDisabled',
    `${placeOf(source, ['disabled_plugins'])} disables containerd's CRI plugin ("${plugin}" in disabled_plugins), so no kubelet can use it: remove "${plugin}" from that list`,
  )
}

function disabledPlugins(tree: Tree): string[] {
  return listAt(tree, 'disabled_plugins')
}

function listAt(tree: Tree, key: string): string[] {
  const list = tree[key]
  return Array.isArray(list) ? list.map(String) : []
}

function numberOf(tree: Tree): number | undefined {
  return typeof tree['version'] === 'number' ? tree['version'] : undefined
}
