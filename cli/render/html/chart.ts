/** A time chart as SVG: rows with bars over one axis. Pure. */
import { humanMilliseconds } from '../duration.ts'
import { html, type Markup } from './markup.ts'
import type { Span } from './spans.ts'

export interface Row {
  readonly label: string
  readonly spans: readonly Span[]
  /** Stands behind the last bar. */
  readonly note: string
}

const width = 960
const labelWidth = 190
const noteWidth = 90
const rowHeight = 26
const barHeight = 14
const axisHeight = 24
const plotWidth = width - labelWidth - noteWidth
/** A short step stays visible. */
const narrowest = 2
const mostTicks = 8
const longestLabel = 26

export const chart = (title: string, rows: readonly Row[]): Markup => {
  const all = rows.flatMap(({ spans }) => spans)
  if (all.length === 0) return html``
  const start = Math.min(...all.map(({ from }) => from))
  const duration = Math.max(1, Math.max(...all.map(({ to }) => to)) - start)
  const x = (time: number): number => labelWidth + ((time - start) / duration) * plotWidth
  const height = axisHeight + rows.length * rowHeight + 6
  return html`<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${title}">
<title>${title}</title>
${ticks(duration).map((offset) => tick(x(start + offset), offset, height))}
${rows.map((row, index) => rowMarkup(row, axisHeight + index * rowHeight, x))}
</svg>`
}

const tick = (x: number, offset: number, height: number): Markup =>
  html`<line class="grid" x1="${round(x)}" y1="${axisHeight - 4}" x2="${round(x)}" y2="${height}"/>
<text class="tick" x="${round(x)}" y="${axisHeight - 9}">${offset === 0 ? '0' : tickLabel(offset)}</text>`

const rowMarkup = ({ label, spans, note }: Row, top: number, x: (time: number) => number): Markup => {
  const end = Math.max(...spans.map(({ to }) => x(to)), labelWidth)
  const middle = top + rowHeight / 2 + 4
  return html`<g><text class="label" x="${labelWidth - 10}" y="${middle}">${shorten(label)}<title>${label}</title></text>
${spans.map((span) => bar(span, top, x))}
<text class="note" x="${round(Math.max(end, labelWidth + narrowest) + 6)}" y="${middle}">${note}</text></g>`
}

/** The turn is a band behind the others, the kubelet's absence a line below them: both overlap the rest in time. */
const shapes = {
  turn: { offset: 0, height: barHeight + 6 },
  down: { offset: barHeight + 2, height: 3 },
}

const bar = ({ kind, name, from, to }: Span, top: number, x: (time: number) => number): Markup => {
  const { offset, height } = kind === 'turn' || kind === 'down' ? shapes[kind] : { offset: 2, height: barHeight }
  const y = top + (rowHeight - barHeight - 6) / 2 + offset
  const length = Math.max(narrowest, x(to) - x(from))
  return html`<rect class="${kind}" x="${round(x(from))}" y="${y}" width="${round(length)}" height="${height}" rx="${Math.min(2, height / 2)}"><title>${name}: ${humanMilliseconds(to - from)}, ${new Date(from).toISOString()}</title></rect>
`
}

const second = 1000
const minute = 60 * second
const hour = 60 * minute
const steps = [
  ...[1, 2, 5, 10, 20, 50, 100, 200, 500].map((count) => count),
  ...[1, 2, 5, 10, 15, 30].map((count) => count * second),
  ...[1, 2, 5, 10, 15, 30].map((count) => count * minute),
  ...[1, 2, 6, 12, 24, 48, 168].map((count) => count * hour),
]

/** Round offsets from the start, few enough to be read. */
export const ticks = (duration: number): readonly number[] => {
  const step = steps.find((candidate) => duration / candidate <= mostTicks) ?? duration / mostTicks
  return Array.from({ length: Math.floor(duration / step) + 1 }, (_, index) => index * step)
}

const tickLabel = (offset: number): string => {
  if (offset < second) return `${offset} ms`
  if (offset < minute) return `${offset / second} s`
  return humanMilliseconds(offset).replace(/(m|h)00[sm]$/, '$1')
}

const round = (value: number): string => value.toFixed(1)

const shorten = (label: string): string =>
  label.length <= longestLabel ? label : `${label.slice(0, longestLabel - 1)}…`
