/** Plain text tables. */
import { type Paint, plain, printable, type Style } from './paint.ts'

export type Cell = string | { readonly text: string; readonly style: Style }

const textOf = (cell: Cell | undefined): string =>
  printable(typeof cell === 'object' ? cell.text : (cell ?? '')).replaceAll(/\s+/g, ' ')

/** Columns as wide as their widest cell, two spaces between. A line break inside a cell becomes a blank. */
export const table = (header: readonly string[], rows: readonly (readonly Cell[])[], paint: Paint = plain): string => {
  const all: readonly (readonly Cell[])[] = [header.map((text) => ({ text, style: 'bold' }) as const), ...rows]
  const widths = header.map((_, column) => Math.max(...all.map((row) => textOf(row[column]).length)))
  const cell = (of: Cell | undefined, width: number, isLast: boolean): string => {
    const text = textOf(of)
    const padding = isLast ? '' : ' '.repeat(width - text.length)
    return (typeof of === 'object' && text !== '' ? paint(of.style, text) : text) + padding
  }
  const line = (row: readonly Cell[]): string => {
    const last = row.findLastIndex((of) => textOf(of) !== '')
    return widths
      .slice(0, last + 1)
      .map((width, column) => cell(row[column], width, column === last))
      .join('  ')
  }
  return all.map(line).join('\n')
}

/** Breaks a text at blanks into lines of at most so many characters; a longer word stays whole. */
export const wrap = (text: string, width: number): string[] => {
  const lines: string[] = []
  for (const word of text.split(/\s+/)) {
    const last = lines.at(-1)
    if (last !== undefined && last.length + 1 + word.length <= width) lines[lines.length - 1] = `${last} ${word}`
    else lines.push(word)
  }
  return lines
}
