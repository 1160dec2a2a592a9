/** A unified diff in colours. */
import type { Paint } from './paint.ts'

export type DiffLine = 'header' | 'hunk' | 'added' | 'removed' | 'same'

/** The headers stand before the first hunk: a removed line that begins with `--` looks the same inside of one. */
export const diffLines = (diff: string): readonly { readonly kind: DiffLine; readonly text: string }[] => {
  const lines = diff.split('\n')
  const first = lines.findIndex((line) => line.startsWith('@@'))
  return lines.map((text, index) => ({ kind: index < first ? 'header' : kindOf(text), text }))
}

const kindOf = (line: string): DiffLine => {
  if (line.startsWith('@@')) return 'hunk'
  if (line.startsWith('+')) return 'added'
  return line.startsWith('-') ? 'removed' : 'same'
}

const styles = { header: 'bold', hunk: 'cyan', added: 'green', removed: 'red', same: undefined } as const

export const paintDiff = (diff: string, paint: Paint): string =>
  diffLines(diff)
    .map(({ kind, text }) => (styles[kind] && text !== '' ? paint(styles[kind], text) : text))
    .join('\n')
