/** Writes a key that the text does not have yet, in the way of spelling that its table already uses. */
import { endOfLine, indentAt, lineEnd, lineStart, nextLine } from './lines.ts'
import { keyText, valueText } from './spelling.ts'
import { commonDepth, type Header, type Pair, type Statement, startsWith } from './statements.ts'
import type { Change, Path } from './tree.ts'

export function insertPair(text: string, statements: readonly Statement[], change: Change): string {
  const parent = change.path.slice(0, -1)
  for (let depth = parent.length; depth > 0; depth--) {
    const table = parent.slice(0, depth)
    const dotted = lastDotted(statements, table)
    if (dotted) return insertDotted(text, dotted, change)
    const header = depth === parent.length ? headerOf(statements, parent) : undefined
    if (header) return insertInTable(text, statements, { header, change })
    if (statements.some(({ path }) => startsWith(path, table)))
      return insertTable(text, statements, { near: table, change })
  }
  return parent.length === 0
    ? insertAtTop(text, statements, change)
    : insertTable(text, statements, { near: [], change })
}

/** The last pair that spells the table with dots, as in `options.Root = "/run"`: TOML lets only dots add to such a table. */
function lastDotted(statements: readonly Statement[], table: Path): Pair | undefined {
  return statements.findLast(
    (each): each is Pair => each.kind === 'pair' && each.table.length < table.length && startsWith(each.path, table),
  )
}

function headerOf(statements: readonly Statement[], path: Path): Header | undefined {
  return statements.find(
    (each): each is Header => each.kind === 'header' && each.path.length === path.length && startsWith(each.path, path),
  )
}

function insertDotted(text: string, like: Pair, { path, value }: Change): string {
  const keys = path.slice(like.table.length)
  const known = commonDepth(keys, like.path.slice(like.table.length))
  const spelled = keys.map((key, at) => (at < known ? like.spelling[at]! : keyText(key)))
  return insertLines(text, lineEnd(text, like.end), [
    `${indentAt(text, like.start)}${spelled.join('.')} = ${valueText(value!)}`,
  ])
}

function insertInTable(
  text: string,
  statements: readonly Statement[],
  where: { header: Header; change: Change },
): string {
  const { header, change } = where
  const last = lastPairOf(statements, header)
  const indent = last ? indentAt(text, last.start) : indentAt(text, header.start) + indentStep(text, statements)
  return insertLines(text, lineEnd(text, (last ?? header).end), [`${indent}${pairText(change)}`])
}

function insertAtTop(text: string, statements: readonly Statement[], change: Change): string {
  const last = statements.findLast((each) => each.kind === 'pair' && each.table.length === 0)
  if (last) return insertLines(text, lineEnd(text, last.end), [pairText(change)])
  const first = statements[0]
  if (!first) return insertLines(text, text.trimEnd().length, [pairText(change)], text === '')
  const at = lineStart(text, first.start)
  const end = endOfLine(text)
  return `${text.slice(0, at)}${pairText(change)}${end}${end}${text.slice(at)}`
}

/** A new `[table]` after everything that belongs to `near`, its nearest parent that is there. */
function insertTable(text: string, statements: readonly Statement[], where: { near: Path; change: Change }): string {
  const { near, change } = where
  const table = change.path.slice(0, -1)
  const like = similarHeader(statements, table)
  const known = like ? commonDepth(like.path, table) : 0
  const spelled = table.map((key, at) => (at < known ? like!.spelling[at]! : keyText(key)))
  const step = indentStep(text, statements)
  const isParent = like !== undefined && known === like.path.length && known < table.length
  const indent = like ? indentAt(text, like.start) + (isParent ? step : '') : ''
  const lines = [`${indent}[${spelled.join('.')}]`, `${indent}${step}${pairText(change)}`]
  const last = near.length > 0 ? statements.findLast(({ path }) => startsWith(path, near)) : undefined
  const at = last ? endOfBlock(text, last.end) : text.trimEnd().length
  if (at > 0 && (!last || isAfterEmptyLine(text, like))) lines.unshift('')
  return insertLines(text, at, lines, at === 0)
}

/** The header that looks most like one of the table: the longest common path, then the nearest depth, then the later one. */
function similarHeader(statements: readonly Statement[], table: Path): Header | undefined {
  const likeness = ({ path }: Header): number => commonDepth(path, table) * 1000 - Math.abs(path.length - table.length)
  const related = statements.filter(
    (each): each is Header => each.kind === 'header' && commonDepth(each.path, table) > 0,
  )
  return related.reduce<Header | undefined>(
    (best, each) => (best && likeness(best) > likeness(each) ? best : each),
    undefined,
  )
}

function lastPairOf(statements: readonly Statement[], header: Header): Pair | undefined {
  const pairs = statements.slice(statements.indexOf(header) + 1)
  const next = pairs.findIndex(({ kind }) => kind === 'header')
  return (next < 0 ? pairs : pairs.slice(0, next)).at(-1) as Pair | undefined
}

/** How much deeper a table's keys stand than its header, from the first table of the text that has keys. */
function indentStep(text: string, statements: readonly Statement[]): string {
  for (const [at, each] of statements.entries()) {
    const pair = statements[at + 1]
    if (each.kind !== 'header' || pair?.kind !== 'pair') continue
    const outer = indentAt(text, each.start)
    const inner = indentAt(text, pair.start)
    return inner.startsWith(outer) ? inner.slice(outer.length) : ''
  }
  return '  '
}

/** The end of the statement's line, or of the comments right below it when an empty line or the end follows them: they belong to its table. */
function endOfBlock(text: string, at: number): number {
  let end = lineEnd(text, at)
  for (let next = nextLine(text, end); next < text.length; next = nextLine(text, next)) {
    const line = text.slice(next, lineEnd(text, next)).trim()
    if (line === '') return end
    if (!line.startsWith('#')) return lineEnd(text, at)
    end = lineEnd(text, next)
  }
  return end
}

function isAfterEmptyLine(text: string, like: Header | undefined): boolean {
  if (!like) return true
  const start = lineStart(text, like.start)
  return start > 0 && text.slice(lineStart(text, start - 1), start).trim() === ''
}

function pairText({ path, value }: Change): string {
  return `${keyText(path.at(-1)!)} = ${valueText(value!)}`
}

/** New lines below the line that ends at the offset; in an empty text they are all there is. */
function insertLines(text: string, at: number, lines: readonly string[], isFirst = false): string {
  const end = endOfLine(text)
  if (isFirst) return `${lines.join(end)}${end}${text.slice(at)}`
  return `${text.slice(0, at)}${end}${lines.join(end)}${text.slice(at)}`
}
