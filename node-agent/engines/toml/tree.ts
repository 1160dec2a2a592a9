/** TOML documents as plain trees, and changes to them. */
import { parse } from 'smol-toml'

export type Leaf = string | boolean | number | readonly string[]
export type Path = readonly string[]
export interface Tree {
  [key: string]: unknown
}

/** One intended change: a leaf gets a value, or what is at the path (a leaf or a whole table) goes. */
export interface Change {
  readonly path: Path
  readonly value: Leaf | undefined
}

/** Throws smol-toml's TomlError, whose message starts with what is wrong and which carries `line`. */
export function parseTree(text: string): Tree {
  return parse(text, { integersAsBigInt: 'asNeeded' })
}

export function isTable(value: unknown): value is Tree {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date)
}

export function valueAt(tree: Tree, path: Path): unknown {
  let value: unknown = tree
  for (const key of path) {
    if (!isTable(value) || !Object.hasOwn(value, key)) return undefined
    value = value[key]
  }
  return value
}

export function tableAt(tree: Tree, path: Path): Tree {
  const value = valueAt(tree, path)
  return isTable(value) ? value : {}
}

export function same(a: unknown, b: unknown): boolean {
  if (a instanceof Date && b instanceof Date) return a.toISOString() === b.toISOString()
  if (Array.isArray(a) && Array.isArray(b)) return a.length === b.length && a.every((value, at) => same(value, b[at]))
  if (!isTable(a) || !isTable(b)) return Object.is(a, b)
  const keys = Object.keys(a)
  return keys.length === Object.keys(b).length && keys.every((key) => Object.hasOwn(b, key) && same(a[key], b[key]))
}

/** Changes the tree in place. A table on the way that is not one makes it throw: the edit of the text refuses it first. */
export function applyChange(tree: Tree, { path, value }: Change): void {
  const key = path.at(-1)!
  let table = tree
  for (const step of path.slice(0, -1)) {
    if (!Object.hasOwn(table, step)) {
      if (value === undefined) return
      table[step] = {}
    }
    const next = table[step]
    if (!isTable(next)) throw new Error(`${path.join('.')}: "${step}" is not a table`)
    table = next
  }
  if (value === undefined) delete table[key]
  else table[key] = value
}

/** Removes tables that a removal at the path has left empty: text keeps no trace of a table that only its children spelled. */
export function pruneEmptied(tree: Tree, path: Path): void {
  for (let depth = path.length - 1; depth > 0; depth--) {
    const parent = path.slice(0, depth)
    const table = valueAt(tree, parent)
    if (!isTable(table) || Object.keys(table).length > 0) return
    applyChange(tree, { path: parent, value: undefined })
  }
}

/**
 * What takes our changes out of a tree that somebody else has edited since: everything that we turned from `original` into
 * `written` and that is still as we wrote it.
 */
export function undoChanges(current: Tree, written: Tree, original: Tree): Change[] {
  return undoBelow([], { now: current, ours: written, former: original })
}

function undoBelow(path: Path, { now, ours, former }: { now: unknown; ours: unknown; former: unknown }): Change[] {
  if (ours === undefined || now === undefined || same(ours, former)) return []
  if (same(now, ours) && !isTable(former)) return [{ path, value: former as Leaf | undefined }]
  if (!isTable(now) || !isTable(ours)) return []
  const below = isTable(former) ? former : {}
  return Object.keys(ours).flatMap((key) =>
    undoBelow([...path, key], { now: now[key], ours: ours[key], former: below[key] }),
  )
}
