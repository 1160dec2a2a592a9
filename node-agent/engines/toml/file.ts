/** TOML files of engines: read, and edited, or refused with the line that is in the way. */
import type { FileFound } from '../engine.ts'
import { Refused, textOf } from '../refused.ts'
import { editToml } from './edit.ts'
import { statementsOf, TomlEditError } from './statements.ts'
import { type Change, parseTree, type Tree } from './tree.ts'

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
