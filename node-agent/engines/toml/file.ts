/** TOML files of engines: read, and edited, or refused with the line that is in the way. */
import type { FileFound, Past } from '../engine.ts'
import { Refused, sameBytes, textOf } from '../refused.ts'
import { editToml } from './edit.ts'
import { statementsOf, TomlEditError } from './statements.ts'
import { type Change, type Path, parseTree, type Tree, undoChanges } from './tree.ts'

export function treeOf(file: FileFound): Tree {
  const text = textOf(file.path, file.bytes)
  try {
    // Both parsers, because an edit needs both.
    statementsOf(text)
    return parseTree(text)
  } catch (error) {
    const line = error instanceof TomlEditError ? error.line : (error as { line?: number }).line
    if (line === undefined) throw error
    const what = (error as Error).message.split('\n')[0]
    throw new Refused('ConfigInvalid', `${file.path}:${line} is not valid TOML (${what}): correct it`)
  }
}

export function edited(file: FileFound, changes: readonly Change[]): Buffer {
  try {
    return Buffer.from(editToml(textOf(file.path, file.bytes), changes))
  } catch (error) {
    if (!(error instanceof TomlEditError)) throw error
    throw new Refused(
      'ConfigNotEditable',
      `${file.path}:${error.line} cannot be edited safely: ${error.message}; write it as [tables] and try again`,
    )
  }
}

/** What the file is without Drydock; `keeps` are settings that stay even when they are as Drydock wrote them. */
export function originalOf(
  current: FileFound,
  past: Past | undefined,
  keeps: (path: Path) => boolean = () => false,
): Buffer | undefined {
  if (!past || current.bytes === undefined) return current.bytes
  if (sameBytes(current.bytes, past.written)) return past.original
  const [written, original] = [past.written, past.original].map((bytes) => treeOf({ path: current.path, bytes }))
  const changes = undoChanges(treeOf(current), written!, original!)
  return edited(
    current,
    changes.filter(({ path }) => !keeps(path)),
  )
}
