/**
 * Edits TOML text in place: what a change does not name stays byte for byte. Each result is checked with a second parser:
 * the edited text must mean the old text plus the changes and nothing else, or the edit is refused.
 */

import { removeElement, setElement } from './inline.ts'
import { insertPair } from './insert.ts'
import { removeLines } from './lines.ts'
import { type Statement, startsWith, statementsOf, TomlEditError } from './statements.ts'
import { applyChange, type Change, parseTree, pruneEmptied, same, valueAt } from './tree.ts'

/** The text with the changes in it. Throws TomlEditError when the text has no place for one of them. */
export function editToml(text: string, changes: readonly Change[]): string {
  let edited = text
  for (const change of changes) {
    if (same(valueAt(parseTree(edited), change.path), change.value)) continue
    edited = change.value === undefined ? remove(edited, change) : set(edited, change)
  }
  verify(text, edited, changes)
  return edited
}

function set(text: string, change: Change): string {
  const statements = statementsOf(text)
  const holder = holderOf(statements, change)
  if (holder) return setElement(text, holder, { rest: change.path.slice(holder.path.length), value: change.value! })
  const table = statements.find(({ path }) => startsWith(path, change.path))
  if (table) throw new TomlEditError(`${change.path.join('.')} is a table here, where a value is expected`, table.line)
  return insertPair(text, statements, change)
}

function remove(text: string, change: Change): string {
  const statements = statementsOf(text)
  const gone = statements.filter(({ path }) => startsWith(path, change.path))
  if (gone.length > 0) return removeLines(text, gone)
  const holder = holderOf(statements, change)
  return holder ? removeElement(text, holder, change.path.slice(holder.path.length)) : text
}

/** The pair that is at the path, or whose inline table holds it. */
function holderOf(statements: readonly Statement[], { path }: Change) {
  return statements.find((statement) => statement.kind === 'pair' && startsWith(path, statement.path)) as
    | Extract<Statement, { kind: 'pair' }>
    | undefined
}

function verify(before: string, after: string, changes: readonly Change[]): void {
  const expected = parseTree(before)
  const actual = attempt(() => parseTree(after), changes)
  for (const change of changes) attempt(() => applyChange(expected, change), changes)
  for (const { path, value } of changes) {
    if (value !== undefined) continue
    pruneEmptied(expected, path)
    pruneEmptied(actual, path)
  }
  if (!same(expected, actual)) throw notSafe(changes)
}

function attempt<T>(act: () => T, changes: readonly Change[]): T {
  try {
    return act()
  } catch {
    throw notSafe(changes)
  }
}

function notSafe(changes: readonly Change[]): TomlEditError {
  const paths = changes.map(({ path }) => path.join('.')).join(', ')
  return new TomlEditError(
    `the file is laid out so that these keys cannot be changed without touching others: ${paths}`,
    1,
  )
}
