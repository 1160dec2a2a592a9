/** Pure: bytes of containerd's configuration in, bytes out. */
import type { FileEdit, FileFound, Found, Past, Pasts, Refusal, Target } from '../engine.ts'
import { orRefusal, Refused, sameBytes, textOf } from '../refused.ts'
import { edited, originalOf, treeOf } from '../toml/file.ts'
import { lineOf } from '../toml/statements.ts'
import { type Change, isTable, parseTree, same, type Tree, tableAt, valueAt } from '../toml/tree.ts'
import { cniWishes } from './cni.ts'
import { documentsOf, groundwork, placeOf, type Source } from './documents.ts'
import { migrated } from './migrate.ts'
import { isAtLeast, layoutOf, majorOf } from './paths.ts'
import { effectiveView, filePath, hasCri, merge, viewOf } from './view.ts'
import { wishesOf } from './wishes.ts'

/** The main file with the target in it; nothing when it has that already. */
export function renderConfig(found: Found, target: Target, pasts: Pasts): readonly FileEdit[] | Refusal {
  return orRefusal(() => {
    const current = found.configFiles[0]
    const past = pasts.get(current.path)
    // A file that we began keeps its version: what others wrote into it since is meant in that one.
    const original = originalOf(current, past && inOneVersion(found, current, past), ([key]) => key === 'version')
    const start = found.defaults === undefined ? past?.start : Buffer.from(found.defaults)
    const base = original ?? start
    const moved = isMigration(found, past) ? inVersion3(found, { path: current.path, bytes: base }) : base
    const after = withTarget(found, { path: current.path, bytes: moved }, target)
    // A file that others have edited since keeps its bytes as long as it says what is wanted.
    const isMet =
      sameBytes(after, current.bytes) ||
      (isThere(after, current.bytes) && same(treeOf({ ...current, bytes: after }), treeOf(current)))
    const begun = original === undefined && start ? { start } : {}
    return isMet ? [] : [{ path: current.path, before: current.bytes, after, original, ...begun }]
  })
}

/**
 * A file follows its containerd from 1.x to 2.x once, and stays there. A node that ran 2.x with a file of version 2 before
 * Drydock keeps it: containerd reads it, and nobody asked for another one.
 */
function isMigration({ observed, replaces }: Found, past: Past | undefined): boolean {
  if (majorOf(observed.engine?.version) < 2) return false
  const hasMoved = statedVersion(past?.original) === 2 && statedVersion(past?.written) === 3
  return hasMoved || (replaces !== undefined && majorOf(replaces) < 2)
}

/** The bytes in version 3 as the program knows it; as they are when they are of another version, or cannot be moved. */
export function inVersion3({ observed }: Found, { path, bytes }: FileFound): Buffer | undefined {
  if (statedVersion(bytes) !== 2) return bytes
  const text = migrated(textOf(path, bytes), { hasBinDirs: isAtLeast(observed.engine?.version, [2, 1]) })
  return text === undefined ? bytes : Buffer.from(text)
}

/** What others changed in a file since can only be told when what we wrote and what was before are of one version. */
function inOneVersion(found: Found, { path, bytes }: FileFound, past: Past): Past {
  if (sameBytes(bytes, past.written) || statedVersion(past.written) !== 3) return past
  return { written: past.written, original: inVersion3(found, { path, bytes: past.original }) }
}

/** Undefined for a file that cannot be read: it is refused elsewhere, with its line. */
export function statedVersion(bytes: Buffer | undefined): number | undefined {
  try {
    const version = parseTree(textOf('', bytes))['version']
    return typeof version === 'number' ? version : undefined
  } catch {
    return undefined
  }
}

function isThere(...files: readonly (Buffer | undefined)[]): boolean {
  return files.every((bytes) => bytes !== undefined)
}

function withTarget(found: Found, main: FileFound, target: Target): Buffer | undefined {
  const documents = documentsOf(found, main)
  const [{ version }] = documents
  const ground = [...groundwork(documents[0]), ...cniWishes(found, documents)]
  const major = majorOf(found.observed.engine?.version)
  const view = effectiveView(documents, major)
  const explicit = tableAt(documents.map(viewOf).reduce(merge, {}), ['runtimes'])
  const wishes = wishesOf(found, view, { target, explicit })
  checkDefault(main, view, { wishes, version })
  if (wishes.length === 0 && ground.every(({ path }) => path[0] === 'version')) return main.bytes
  checkReachable(documents, wishes, major)
  const changes = wishes.map(({ path, value }) => ({ path: filePath(layoutOf(version), path), value }))
  const bytes = edited(main, [...ground, ...changes])
  checkOverrides(documentsOf(found, { ...main, bytes }), wishes, major)
  return bytes
}

/** The default handler must have a table with a type, or the CRI plugin does not load. */
function checkDefault(
  main: FileFound,
  view: Tree,
  { wishes, version }: { wishes: readonly Change[]; version: number },
): void {
  const wished = wishes.find(({ path }) => path[0] === 'default_runtime_name')
  const name = String(wished?.value ?? view['default_runtime_name'])
  const isTyped =
    tableAt(view, ['runtimes', name])['runtime_type'] ||
    wishes.some(({ path }) => same(path, ['runtimes', name, 'runtime_type']))
  if (isTyped) return
  const line = lineOf(textOf(main.path, main.bytes), layoutOf(version).defaultRuntime)
  throw new Refused(
    'DefaultHandlerUndefined',
    `${main.path}:${line} makes "${name}" the default handler, but no table with a runtime_type defines it: define it, or name another default handler in the profile`,
  )
}

/** 1.x lets an import replace the whole plugin section; and a handler that only an import defines cannot be half of the main file's. */
function checkReachable(documents: readonly Source[], wishes: readonly Change[], major: number): void {
  const [main, ...imports] = documents
  const replacing = major < 2 ? imports.find(hasCri) : undefined
  if (replacing) {
    const section = layoutOf(replacing.version).sections.find((each) => valueAt(replacing.tree, each) !== undefined)
    throw new Refused(
      'ConfigImported',
      `${placeOf(replacing, section ?? [])} is imported by ${main!.path} and replaces its CRI section as a whole (containerd 1.x does not merge them): move its CRI settings into ${main!.path} and remove the import`,
    )
  }
  for (const { path, value } of wishes) {
    const handler = path.slice(0, 2)
    if (path[0] !== 'runtimes' || path[2] === 'runtime_type' || isTable(valueAt(viewOf(main!), handler))) continue
    const owner = imports.find((document) => isTable(valueAt(viewOf(document), handler)))
    if (owner) throw overridden(owner, { path, value })
  }
}

/** Imported files win over the main one on 2.x. */
function checkOverrides(documents: readonly Source[], wishes: readonly Change[], major: number): void {
  const view = effectiveView(documents, major)
  for (const wish of wishes) {
    if (same(valueAt(view, wish.path), wish.value)) continue
    const owner = documents.slice(1).findLast((document) => valueAt(viewOf(document), wish.path) !== undefined)
    throw overridden(owner ?? documents[0]!, wish)
  }
}

function overridden(owner: Source, { path, value }: Change): Refused {
  const key = filePath(layoutOf(owner.version), path)
  return new Refused(
    'ConfigOverridden',
    `${placeOf(owner, key)} is imported and decides over ${key.join('.')}, which must be ${JSON.stringify(value)}: write that value there, or remove the key from it`,
  )
}
