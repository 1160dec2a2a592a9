/** Pure: what must change in the view of the configuration for it to meet a target. */
import type { Found, HandlerTarget, OciRuntime, Target } from '../engine.ts'
import { Refused } from '../refused.ts'
import {
  applyChange,
  type Change,
  isTable,
  type Leaf,
  type Path,
  same,
  type Tree,
  tableAt,
  valueAt,
} from '../toml/tree.ts'
import { runcType } from './paths.ts'
import { driverOf, driverOfHandler, handlersOf } from './view.ts'

/** Paths are those of the view. `explicit` are the handlers that the files spell out. */
export function wishesOf(found: Found, view: Tree, { target, explicit }: { target: Target; explicit: Tree }): Change[] {
  const wishes = new Wishes(view)
  const driver = target.cgroupDriver ?? driverOf(view) ?? 'cgroupfs'
  const chosen = target.handlers?.find((handler) => handler.default)
  if (chosen) wishes.want(['default_runtime_name'], chosen.name)
  for (const handler of target.handlers ?? []) wishHandler(wishes, found, handler)
  // A file of 1.x that names other handlers only has lost the built-in runc: back it comes.
  const isLost = !tableAt(wishes.view, ['runtimes', 'runc'])['runtime_type']
  if (isLost && wishes.view['default_runtime_name'] === 'runc')
    wishes.want(['runtimes', 'runc', 'runtime_type'], runcType)
  for (const [name, handler] of handlersOf(wishes.view)) {
    const isNew = valueAt(view, ['runtimes', name]) === undefined
    const current = driverOfHandler(handler)
    if (current && (isNew || (target.cgroupDriver && current !== driver))) {
      wishes.want(['runtimes', name, 'options', 'SystemdCgroup'], driver === 'systemd')
    }
  }
  if (target.sandboxImage !== undefined) wishes.want(['sandbox_image'], target.sandboxImage)
  if (wishes.changes.length > 0) spellBuiltIn(wishes, explicit)
  return wishes.changes
}

/**
 * The built-in runc becomes a line of the file with the first change: containerd 1.x forgets it as soon as the file names
 * any other handler, and its CRI plugin then does not load while the unit stays active.
 */
function spellBuiltIn(wishes: Wishes, explicit: Tree): void {
  if (tableAt(wishes.view, ['runtimes', 'runc'])['runtime_type'] !== runcType) return
  if (valueAt(explicit, ['runc', 'runtime_type']) !== undefined) return
  const path = ['runtimes', 'runc', 'runtime_type']
  if (wishes.changes.some((change) => same(change.path, path))) return
  const first = wishes.changes.findIndex((change) => change.path[0] === 'runtimes')
  wishes.changes.splice(first < 0 ? wishes.changes.length : first, 0, { path, value: runcType })
}

function wishHandler(wishes: Wishes, found: Found, handler: HandlerTarget): void {
  const path = ['runtimes', handler.name]
  const former = tableAt(wishes.view, path)
  wishes.want([...path, 'runtime_type'], runcType)
  wishes.want([...path, 'pod_annotations'], handler.podAnnotations)
  wishes.want([...path, 'privileged_without_host_devices'], handler.privilegedWithoutHostDevices)
  wishes.want([...path, 'options', 'BinaryName'], binaryFor(found, handler, valueAt(former, ['options', 'BinaryName'])))
  wishes.want([...path, 'options', 'Root'], handler.options?.root)
  wishes.want([...path, 'options', 'NoNewKeyring'], handler.options?.noNewKeyring)
}

/** The binary that the handler must name; undefined: what it has stays. A program that is neither runc nor crun is somebody's wrapper. */
function binaryFor(found: Found, handler: HandlerTarget, named: unknown): string | undefined {
  if (handler.binary !== undefined) return handler.binary
  if (kindOf(found, named) === handler.type || kindOf(found, named) === 'other') return undefined
  const program = found.ociRuntimes.find(({ kind }) => kind === handler.type)
  if (program) return program.path
  throw new Refused(
    'RuntimeNotInstalled',
    `handler "${handler.name}" needs ${handler.type}, which is in none of ${found.searchPath.join(', ')}: install it on the node, or name its path in the handler's "binary"`,
  )
}

/** A handler without a binary runs the runc of the search path. */
function kindOf(found: Found, named: unknown): OciRuntime['kind'] {
  if (typeof named !== 'string' || named === '') return 'runc'
  return found.ociRuntimes.find(({ path }) => path === named || path.endsWith(`/${named}`))?.kind ?? 'other'
}

class Wishes {
  readonly changes: Change[] = []
  readonly view: Tree
  constructor(view: Tree) {
    this.view = copyOf(view)
  }

  /** Undefined: the target does not say, so what is there stays. */
  want(path: Path, value: Leaf | undefined): void {
    const now = valueAt(this.view, path)
    if (value === undefined || same(now, value)) return
    const isAbsentAlready = now === undefined && (value === false || (Array.isArray(value) && value.length === 0))
    // A new handler spells its driver, false too: the driver is what people look for.
    if (isAbsentAlready && path.at(-1) !== 'SystemdCgroup') return
    applyChange(this.view, { path, value })
    this.changes.push({ path, value })
  }
}

/** Tables are copied, so that wishes do not reach into what was parsed. */
function copyOf(tree: Tree): Tree {
  return Object.fromEntries(Object.entries(tree).map(([key, value]) => [key, isTable(value) ? copyOf(value) : value]))
}
