/** What a benchmark hands back, and the arithmetic behind it. */

/** One line of the table. */
export interface Row {
  readonly name: string
  /** Absent where nothing could be measured; then the note says why. */
  readonly ours?: number
  readonly unit: string
  /** What ours is held against, measured in the same run; then the bar is on the ratio. */
  readonly yardstick?: number
  readonly ratio?: number
  /** What must not be exceeded: by the ratio where there is one, by ours where not. Absent: for the reader's information. */
  readonly bar?: number
  /** What the figures are, and how many there were. */
  readonly note: string
}

export type Verdict = 'ok' | 'OVER' | 'skipped' | ''

/** Two measurements of the same work, made one after the other. */
export interface Pair {
  readonly ours: number
  readonly yardstick: number
}

export function verdictOf({ ours, ratio, bar }: Row): Verdict {
  if (ours === undefined) return 'skipped'
  if (bar === undefined) return ''
  return (ratio ?? ours) <= bar ? 'ok' : 'OVER'
}

/** Throws when there is nothing to take it from: a benchmark that measured nothing has not passed. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length / 2
  const [low, high] = [sorted[Math.ceil(middle) - 1], sorted[Math.floor(middle)]]
  if (low === undefined || high === undefined) throw new Error('nothing was measured')
  return (low + high) / 2
}

/** Of few values the largest. Throws when there is nothing to take it from. */
export function percentile95(values: readonly number[]): number {
  const value = values.toSorted((a, b) => a - b)[Math.ceil(0.95 * values.length) - 1]
  if (value === undefined) throw new Error('nothing was measured')
  return value
}

/** The ratio is the median of the pairs' ratios: what disturbs the machine disturbs both halves of a pair. */
export function paired(pairs: readonly Pair[]): { ours: number; yardstick: number; ratio: number } {
  return {
    ours: median(pairs.map(({ ours }) => ours)),
    yardstick: median(pairs.map(({ yardstick }) => yardstick)),
    ratio: median(pairs.map(({ ours, yardstick }) => ours / yardstick)),
  }
}
