/** Lines of a text by offset. Line ends are LF or CRLF, whichever the text uses. */

export interface Span {
  readonly start: number
  readonly end: number
}

export function lineStart(text: string, at: number): number {
  return text.lastIndexOf('\n', at - 1) + 1
}

/** Offset of the line end (its CR or LF), or of the end of the text. */
export function lineEnd(text: string, at: number): number {
  const feed = text.indexOf('\n', at)
  if (feed < 0) return text.length
  return text[feed - 1] === '\r' && feed > at ? feed - 1 : feed
}

/** Offset of the next line. */
export function nextLine(text: string, at: number): number {
  const feed = text.indexOf('\n', at)
  return feed < 0 ? text.length : feed + 1
}

export function indentAt(text: string, at: number): string {
  return /^[ \t]*/.exec(text.slice(lineStart(text, at), at))![0]
}

export function endOfLine(text: string): '\r\n' | '\n' {
  return text.includes('\r\n') ? '\r\n' : '\n'
}

/** Without the lines of the spans; an empty line before them goes too when another follows. */
export function removeLines(text: string, spans: readonly Span[]): string {
  const merged: { start: number; end: number }[] = []
  for (const span of [...spans].sort((a, b) => a.start - b.start)) {
    const start = lineStart(text, span.start)
    const end = nextLine(text, span.end)
    const last = merged.at(-1)
    if (last && last.end >= start) last.end = Math.max(last.end, end)
    else merged.push({ start, end })
  }
  let kept = text
  for (const { start, end } of merged.reverse()) kept = kept.slice(0, emptyBefore(kept, start, end)) + kept.slice(end)
  return kept
}

function emptyBefore(text: string, start: number, end: number): number {
  const before = lineStart(text, Math.max(0, start - 1))
  const isEmpty = start > 0 && text.slice(before, start).trim() === ''
  const nextIsEmpty = end >= text.length || text.slice(end, lineEnd(text, end)).trim() === ''
  return isEmpty && nextIsEmpty ? before : start
}
