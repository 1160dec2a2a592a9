/** Pure: what CRI-O's configuration must say for it to meet a target. */
import { basename } from 'node:path/posix'
import type { Found, HandlerTarget, OciRuntime, Target } from '../engine.ts'
import { Refused } from '../refused.ts'
import { type Change, type Leaf, type Tree, tableAt, valueAt } from '../toml/tree.ts'
import { allowedFor } from './annotations.ts'
import { cgroupManager, defaultRuntime, monitorCgroup, pauseImage, pluginFolders, runtimes } from './paths.ts'
import { defaultHandlerOf, textAt } from './settings.ts'

/** A setting that must be there, whether it is already or not. */
export interface Wish extends Change {
  readonly value: Leaf
}

/** `base` is what CRI-O makes of its defaults and of the files without Drydock's, `spelled` are the handlers in those. */
export function wishesOf(
  found: Found,
  { base, spelled }: { base: Tree; spelled: ReadonlySet<string> },
  target: Target,
): readonly Wish[] {
  const chosen = target.handlers?.find((handler) => handler.default)
  return [
    ...(chosen ? [{ path: defaultRuntime, value: chosen.name }] : []),
    ...driverWishes(base, target),
    ...(target.handlers ?? []).flatMap((handler) =>
      handlerWishes(found, { base, isNew: !spelled.has(handler.name) }, handler),
    ),
    ...(target.sandboxImage === undefined ? [] : [{ path: pauseImage, value: target.sandboxImage }]),
    ...pluginWishes(found, base),
  ]
}

/** Under cgroupfs the monitor of a container must be in its pod's cgroup: CRI-O does not start with a slice there. */
function driverWishes(base: Tree, { cgroupDriver }: Target): Wish[] {
  if (cgroupDriver === undefined) return []
  const isSlice = textAt(base, monitorCgroup) !== 'pod'
  return [
    { path: cgroupManager, value: cgroupDriver },
    ...(cgroupDriver === 'cgroupfs' && isSlice ? [{ path: monitorCgroup, value: 'pod' }] : []),
  ]
}

/** The handler that CRI-O has by itself becomes a table of a file when it is asked for: only such a one is proven. */
function handlerWishes(found: Found, { base, isNew }: { base: Tree; isNew: boolean }, handler: HandlerTarget): Wish[] {
  checkOptions(handler)
  const path = [...runtimes, handler.name]
  const table = tableAt(base, path)
  const wanted: Record<string, Leaf | undefined> = {
    ...(isNew ? newHandler(base, handler) : {}),
    ...(table['runtime_type'] === 'vm' ? { runtime_type: 'oci' } : {}),
    runtime_path: programFor(found, handler, table),
    allowed_annotations: annotationsFor(handler, table),
    privileged_without_host_devices: privilegedFor(handler, table),
    ...(handler.options?.root === undefined ? {} : { runtime_root: handler.options.root }),
  }
  return Object.entries(wanted).flatMap(([key, value]) =>
    value === undefined ? [] : [{ path: [...path, key], value }],
  )
}

/** Packages keep the monitor outside of PATH and name it in each handler: a new handler uses the one of the default handler. */
function newHandler(base: Tree, { type }: HandlerTarget): Record<string, Leaf | undefined> {
  return {
    runtime_type: 'oci',
    runtime_root: `/run/${type}`,
    monitor_path: textAt(base, [...runtimes, defaultHandlerOf(base), 'monitor_path']),
  }
}

/** The program that the handler must name; undefined: what it has stays. One that is neither runc nor crun is somebody's wrapper. */
function programFor(found: Found, handler: HandlerTarget, table: Tree): string | undefined {
  if (handler.binary !== undefined) return handler.binary
  const kind = kindNow(found, handler.name, table)
  const isNew = Object.keys(table).length === 0
  if (!isNew && (kind === handler.type || kind === 'other')) return undefined
  const program = found.ociRuntimes.find((each) => each.kind === handler.type)
  if (program) return program.path
  throw new Refused(
    'RuntimeNotInstalled',
    `handler "${handler.name}" needs ${handler.type}, which is in none of ${found.searchPath.join(', ')}: install it on the node, or name its path in the handler's "binary"`,
  )
}

/** A handler without a path runs the program of its own name. */
function kindNow({ ociRuntimes }: Found, name: string, table: Tree): OciRuntime['kind'] | undefined {
  const named = table['runtime_path']
  if (typeof named === 'string' && named !== '') return ociRuntimes.find(({ path }) => path === named)?.kind
  return ociRuntimes.find(({ path }) => basename(path) === name)?.kind
}

function annotationsFor({ podAnnotations }: HandlerTarget, table: Tree): readonly string[] | undefined {
  const now = Array.isArray(table['allowed_annotations']) ? table['allowed_annotations'].map(String) : []
  const added = allowedFor(podAnnotations ?? []).filter((name) => !now.includes(name))
  return added.length > 0 ? [...now, ...added] : undefined
}

/** False is what CRI-O has without the key. */
function privilegedFor({ privilegedWithoutHostDevices: wanted }: HandlerTarget, table: Tree): boolean | undefined {
  return wanted === (table['privileged_without_host_devices'] ?? false) ? undefined : wanted
}

function checkOptions({ name, options }: HandlerTarget): void {
  if (options?.noNewKeyring !== true) return
  throw new Refused(
    'OptionNotSupported',
    `handler "${name}": CRI-O has no setting for options.noNewKeyring: remove it from the handler in the profile`,
  )
}

function pluginWishes({ cniFolders }: Found, base: Tree): Wish[] {
  const now = valueAt(base, pluginFolders)
  const folders = Array.isArray(now) ? now.map(String) : []
  const added = (cniFolders ?? []).filter((folder) => !folders.includes(folder))
  return added.length > 0 ? [{ path: pluginFolders, value: [...folders, ...added] }] : []
}
