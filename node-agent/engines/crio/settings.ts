/** Pure: CRI-O's configuration files as trees, and what CRI-O makes of them. */
import { dirname } from 'node:path/posix'
import type { CgroupDriver, FileFound, Found } from '../engine.ts'
import { treeOf } from '../toml/file.ts'
import {
  applyChange,
  isTable,
  type Leaf,
  type Path,
  parseTree,
  same,
  type Tree,
  tableAt,
  valueAt,
} from '../toml/tree.ts'
import { cgroupManager, defaultRuntime, runtime, runtimes } from './paths.ts'

export interface Document {
  readonly path: string
  readonly tree: Tree
}

/** In the order of reading: what comes later wins. */
export interface Documents {
  readonly earlier: readonly Document[]
  readonly own: Document
  readonly later: readonly Document[]
}

/** `own` is the drop-in of Drydock as it is to be looked at; the other files are those that were found. */
export function documentsOf(found: Found, own: FileFound): Documents {
  const [, ...others] = found.configFiles
  const isMain = ({ path }: FileFound): boolean => path === found.observed.engine?.configPath
  const folder = `${dirname(own.path)}/`
  const dropIns = others.filter((file) => file.path.startsWith(folder))
  const documents = (files: readonly FileFound[]): Document[] =>
    files.map((file) => ({ path: file.path, tree: treeOf(file) }))
  return {
    earlier: documents([...others.filter(isMain), ...dropIns.filter(({ path }) => isBefore(path, own.path))]),
    own: { path: own.path, tree: treeOf(own) },
    later: documents(dropIns.filter(({ path }) => !isBefore(path, own.path))),
  }
}

/** CRI-O walks its folder: names in their order, a folder's files in the place of the folder. */
function isBefore(a: string, b: string): boolean {
  const [left, right] = [a.split('/'), b.split('/')]
  const at = left.findIndex((name, index) => name !== right[index])
  return at >= 0 && left[at]! < (right[at] ?? '')
}

/** CRI-O prints these settings of its own below the table of the last handler, where they would mean nothing. */
const misplaced = ['hostnetwork_disable_selinux', 'disable_hostport_mapping', 'timezone']

/** What `crio config` prints. */
export function printedTree(text: string): Tree {
  const tree = parseTree(text)
  for (const [name, table] of handlersOf(tree)) {
    for (const key of misplaced.filter((each) => each in table)) {
      applyChange(tree, { path: [...runtime, key], value: table[key] as Leaf })
      applyChange(tree, { path: [...runtimes, name, key], value: undefined })
    }
  }
  return tree
}

export function defaultsOf(found: Found): Tree {
  return printedTree(found.defaults ?? '')
}

/** What CRI-O makes of its defaults and the files. */
export function effectiveTree(found: Found, documents: readonly Document[]): Tree {
  return documents.reduce((below, { tree }) => merge(below, tree), defaultsOf(found))
}

/** Entries of these are replaced as a whole by a later file: a handler has nothing left of what earlier files say of it. */
const maps: readonly Path[] = [runtimes, [...runtime, 'workloads']]

export function merge(below: Tree, above: Tree, path: Path = []): Tree {
  const isMap = maps.some((map) => same(map, path))
  const merged: Tree = { ...below }
  for (const [key, value] of Object.entries(above)) {
    const under = merged[key]
    merged[key] = !isMap && isTable(under) && isTable(value) ? merge(under, value, [...path, key]) : value
  }
  return merged
}

export function handlersOf(tree: Tree): [string, Tree][] {
  return Object.entries(tableAt(tree, runtimes)).filter((entry): entry is [string, Tree] => isTable(entry[1]))
}

/** Names of the handlers that files speak of, beyond the one that CRI-O has by itself. */
export function spelledIn(documents: readonly Document[]): ReadonlySet<string> {
  return new Set(documents.flatMap(({ tree }) => handlersOf(tree).map(([name]) => name)))
}

/** CRI-O since 1.31 takes crun when nothing is set; a tree with its defaults always says. */
export function defaultHandlerOf(tree: Tree): string {
  return String(valueAt(tree, defaultRuntime) || 'crun')
}

export function driverOf(tree: Tree): CgroupDriver {
  return valueAt(tree, cgroupManager) === 'cgroupfs' ? 'cgroupfs' : 'systemd'
}

/** Text at a path; undefined when it is empty, which CRI-O takes for not set. */
export function textAt(tree: Tree, path: Path): string | undefined {
  const value = valueAt(tree, path)
  return typeof value === 'string' && value !== '' ? value : undefined
}

/** What CRI-O takes for not set. */
export function isEmpty(value: unknown): boolean {
  return value === '' || value === false || (Array.isArray(value) && value.length === 0)
}
