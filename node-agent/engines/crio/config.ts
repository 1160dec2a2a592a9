/** Pure: bytes of CRI-O's configuration in, bytes out. Only a drop-in of our own is written; files of others stay. */
import type { FileEdit, Found, Pasts, Refusal, Target } from '../engine.ts'
import { orRefusal, Refused, sameBytes, textOf } from '../refused.ts'
import { edited, originalOf } from '../toml/file.ts'
import { lineOf } from '../toml/statements.ts'
import { type Change, isTable, type Leaf, type Path, same, type Tree, tableAt, valueAt } from '../toml/tree.ts'
import { newDropIn } from './drop-in.ts'
import { hostFileEdits, policyWishes } from './host-files.ts'
import { runtimes } from './paths.ts'
import { defaultHandlerOf, documentsOf, effectiveTree, handlersOf, isEmpty, spelledIn } from './settings.ts'
import { type Wish, wishesOf } from './wishes.ts'

/** The drop-in with the target in it, and what a CRI-O needs that is new on its host; nothing when all that is there. */
export function renderConfig(found: Found, target: Target, pasts: Pasts): readonly FileEdit[] | Refusal {
  return orRefusal(() => {
    const current = found.configFiles[0]
    const original = originalOf(current, pasts.get(current.path))
    const documents = documentsOf(found, { path: current.path, bytes: original })
    const base = effectiveTree(found, [...documents.earlier, documents.own])
    const spelled = spelledIn([...documents.earlier, documents.own])
    const wishes = [...wishesOf(found, { base, spelled }, target), ...policyWishes(found, base)]
    const isUnmet = ({ path, value }: Wish): boolean => isUnspelled(path, spelled) || !same(valueAt(base, path), value)
    const changes = changesFor(wishes.filter(isUnmet), base)
    const after = withChanges(current.path, original, changes)
    const tree = withOwn(found, after)
    checkEffective(found, tree, wishes)
    // A drop-in that others have edited since keeps its bytes as long as it means what is wanted.
    const isMet =
      sameBytes(after, current.bytes) || (isThere(after, current.bytes) && same(tree, withOwn(found, current.bytes)))
    const own = isMet ? [] : [{ path: current.path, before: current.bytes, after, original }]
    return [...own, ...hostFileEdits(found, documents, pasts)]
  })
}

function isThere(...files: readonly (Buffer | undefined)[]): boolean {
  return files.every((bytes) => bytes !== undefined)
}

function withChanges(path: string, original: Buffer | undefined, changes: readonly Change[]): Buffer | undefined {
  if (changes.length === 0) return original
  return original === undefined ? Buffer.from(newDropIn(changes)) : edited({ path, bytes: original }, changes)
}

function isBelow({ path }: Change, parent: Path): boolean {
  return path.length > parent.length && same(path.slice(0, parent.length), parent)
}

/** What CRI-O makes of all its files when ours has these bytes. */
export function withOwn(found: Found, bytes: Buffer | undefined): Tree {
  const { earlier, own, later } = documentsOf(found, { path: found.configFiles[0].path, bytes })
  return effectiveTree(found, [...earlier, own, ...later])
}

/** A handler that changes is spelled whole: its table in a later file replaces the one in an earlier file. */
function changesFor(unmet: readonly Wish[], base: Tree): readonly Change[] {
  const isOfHandler = (wish: Wish): boolean => isBelow(wish, runtimes)
  const names = [...new Set(unmet.filter(isOfHandler).map(({ path }) => path[runtimes.length]!))]
  return [...unmet.filter((wish) => !isOfHandler(wish)), ...names.flatMap((name) => handlerChanges(name, unmet, base))]
}

function isUnspelled(path: Path, spelled: ReadonlySet<string>): boolean {
  return same(path.slice(0, runtimes.length), runtimes) && !spelled.has(path[runtimes.length] ?? '')
}

function handlerChanges(name: string, unmet: readonly Wish[], base: Tree): readonly Change[] {
  const path = [...runtimes, name]
  const own = unmet.filter((wish) => isBelow(wish, path))
  const kept = leavesOf(tableAt(base, path), path).filter((leaf) => !own.some((wish) => same(wish.path, leaf.path)))
  return [...kept, ...own]
}

function leavesOf(tree: Tree, path: Path): Change[] {
  return Object.entries(tree).flatMap(([key, value]) => {
    if (isTable(value)) return leavesOf(value, [...path, key])
    return isEmpty(value) ? [] : [{ path: [...path, key], value: value as Leaf }]
  })
}

/** Drop-ins that sort after ours win over it. */
function checkEffective(found: Found, tree: Tree, wishes: readonly Wish[]): void {
  const unmet = wishes.find(({ path, value }) => !same(valueAt(tree, path), value))
  if (unmet) throw overridden(found, unmet)
  const name = defaultHandlerOf(tree)
  if (handlersOf(tree).some(([handler]) => handler === name)) return
  throw new Refused(
    'DefaultHandlerUndefined',
    `CRI-O's default handler is "${name}", but no table [crio.runtime.runtimes.${name}] defines it, so CRI-O does not start: define it, or name another default handler in the profile`,
  )
}

function overridden(found: Found, { path, value }: Wish): Refused {
  const [own] = found.configFiles
  const owner = documentsOf(found, own).later.findLast(({ tree }) => holds(tree, path))
  const file = found.configFiles.find((each) => each.path === owner?.path) ?? own
  return new Refused(
    'ConfigOverridden',
    `${file.path}:${lineOf(textOf(file.path, file.bytes), path)} is read after ${own.path} and decides over ${path.join('.')}, which must be ${JSON.stringify(value)}: write that value there, or remove the key from it`,
  )
}

/** A handler's table decides over all of the handler's keys, also those that it does not have. */
function holds(tree: Tree, path: Path): boolean {
  const isHandler = same(path.slice(0, runtimes.length), runtimes)
  return valueAt(tree, isHandler ? path.slice(0, runtimes.length + 1) : path) !== undefined
}
