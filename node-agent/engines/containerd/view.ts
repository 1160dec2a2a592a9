/**
 * The CRI settings that Drydock cares for, in one shape for all versions of the format:
 * `{default_runtime_name, sandbox_image, runtimes: {<handler>: {...}}}`.
 */
import type { CgroupDriver } from '../engine.ts'
import { isTable, type Path, same, type Tree, tableAt, valueAt } from '../toml/tree.ts'
import { type Layout, layoutOf, runcType } from './paths.ts'

/** A parsed file and the version in which its keys are meant. */
export interface Document {
  readonly path: string
  readonly tree: Tree
  readonly version: number
}

export function viewOf({ tree, version }: Document): Tree {
  const layout = layoutOf(version)
  const view: Tree = { runtimes: tableAt(tree, layout.runtimes) }
  const defaultRuntime = valueAt(tree, layout.defaultRuntime)
  const sandboxImage = valueAt(tree, layout.sandboxImage)
  if (defaultRuntime !== undefined) view['default_runtime_name'] = defaultRuntime
  if (sandboxImage !== undefined) view['sandbox_image'] = sandboxImage
  return view
}

/** Where a path of the view is in a file. */
export function filePath(layout: Layout, path: Path): Path {
  if (path[0] === 'runtimes') return [...layout.runtimes, ...path.slice(1)]
  return path[0] === 'sandbox_image' ? layout.sandboxImage : layout.defaultRuntime
}

/** Whether the file has a plugin section that holds CRI settings. */
export function hasCri({ tree, version }: Document): boolean {
  return layoutOf(version).sections.some((section) => valueAt(tree, section) !== undefined)
}

/**
 * What the engine makes of its files, the main one first. 1.x lets an import replace a plugin section as a whole, and handlers
 * in a file replace the built-in runc; 2.x merges both.
 */
export function effectiveView(documents: readonly Document[], major: number): Tree {
  const builtIn: Tree = { runtimes: { runc: { runtime_type: runcType } }, default_runtime_name: 'runc' }
  if (major >= 2) return documents.map(viewOf).reduce(merge, builtIn)
  const last = documents.findLast(hasCri)
  const view = last ? viewOf(last) : {}
  const named = Object.keys(tableAt(view, ['runtimes'])).length > 0
  return { ...builtIn, ...view, runtimes: named ? view['runtimes'] : builtIn['runtimes'] }
}

export function merge(below: Tree, above: Tree): Tree {
  const merged: Tree = { ...below }
  for (const [key, value] of Object.entries(above)) {
    const under = merged[key]
    merged[key] = isTable(under) && isTable(value) ? merge(under, value) : value
  }
  return merged
}

export function handlersOf(view: Tree): [string, Tree][] {
  return Object.entries(tableAt(view, ['runtimes'])).filter((entry): entry is [string, Tree] => isTable(entry[1]))
}

export function driverOfHandler(handler: Tree): CgroupDriver | undefined {
  if (handler['runtime_type'] !== runcType) return undefined
  return valueAt(handler, ['options', 'SystemdCgroup']) === true ? 'systemd' : 'cgroupfs'
}

/** The driver that containerd reports through CRI: that of the default handler, else of the first by name that has one. */
export function driverOf(view: Tree): CgroupDriver | undefined {
  const handlers = handlersOf(view).sort(([a], [b]) => (a < b ? -1 : 1))
  const first = handlers.find(([name]) => name === view['default_runtime_name'])
  const ordered = first ? [first, ...handlers] : handlers
  return ordered.map(([, handler]) => driverOfHandler(handler)).find((driver) => driver !== undefined)
}

/** Whether two handlers behave alike: a key that is false or empty is the same as one that is absent. */
export function sameHandler(a: unknown, b: unknown): boolean {
  return same(meaningful(a), meaningful(b))
}

function meaningful(value: unknown): unknown {
  if (!isTable(value)) return value
  const kept = Object.entries(value)
    // containerd 2 has another name for it, and its default is what 1.x has without the key.
    .map(([key, each]) => [key === 'sandbox_mode' ? 'sandboxer' : key, meaningful(each)] as const)
    .filter(([key, each]) => key !== 'sandboxer' || each !== 'podsandbox')
    .filter(([, each]) => !isEmpty(each))
  return Object.fromEntries(kept)
}

function isEmpty(value: unknown): boolean {
  if (Array.isArray(value)) return value.length === 0
  return isTable(value) ? Object.keys(value).length === 0 : value === false || value === '' || value === 0
}
