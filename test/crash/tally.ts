/** What all crashes together have shown. Pure. */
import type { Outcome } from './rounds.ts'

export interface Tally {
  readonly header: readonly string[]
  readonly rows: readonly string[][]
  readonly summary: string
  readonly isGood: boolean
}

interface Crashes {
  readonly move: string
  readonly outcomes: readonly Outcome[]
}

interface Count {
  readonly crashes: number
  readonly hits: number
  readonly isNew: number
  readonly isOld: number
  readonly stuck: number
  readonly leaks: number
  readonly faults: number
}

/** A crash counts when the change was still under way, whether the victim ran at that moment or not. */
function counted(outcomes: readonly Outcome[]): Count {
  const made = outcomes.filter(({ at }) => at !== undefined)
  const ended = (end: Outcome['end']) => made.filter((outcome) => outcome.end === end).length
  return {
    crashes: made.length,
    hits: made.filter(({ isHit }) => isHit).length,
    isNew: ended('new'),
    isOld: ended('old'),
    // What was stuck without a crash is stuck all the same.
    stuck: outcomes.filter(({ end }) => end === 'stuck').length,
    leaks: outcomes.reduce((sum, { leaks }) => sum + leaks.length, 0),
    faults: outcomes.filter(({ end, faults }) => end !== 'stuck' && faults.length > 0).length,
  }
}

/** The same in an order in which each beginning of it is a sample of all: every fourth, those in the middle, the rest. */
export function spread<T>(all: readonly T[]): readonly T[] {
  const lateness = (index: number): number => [4, 2, 1].findIndex((stride) => index % stride === 0)
  return all
    .map((one, index) => ({ one, late: lateness(index) }))
    .toSorted((a, b) => a.late - b.late)
    .map(({ one }) => one)
}

export function tally(all: readonly Crashes[]): Tally {
  const rows = all.flatMap(({ move, outcomes }) => {
    const keyOf = ({ direction, crash }: Outcome) => `${direction} ${crash?.victim ?? 'nobody'}`
    const keys = [...new Set(outcomes.map(keyOf))]
    return keys.map((key) => {
      const own = counted(outcomes.filter((outcome) => keyOf(outcome) === key))
      const { crashes, hits, isNew, isOld, stuck, leaks, faults } = own
      return [move, ...key.split(' '), ...[crashes, hits, isNew, isOld, stuck, leaks, faults].map(String)]
    })
  })
  const { crashes, hits, isNew, isOld, stuck, leaks, faults } = counted(all.flatMap(({ outcomes }) => outcomes))
  return {
    header: ['MOVE', 'WAY', 'VICTIM', 'CRASHES', 'RAN', 'NEW', 'OLD', 'STUCK', 'LEAKS', 'FAULTS'],
    rows,
    summary: `${crashes} crashes, ${hits} of a part that ran: ${isNew} ended in the new state, ${isOld} in the old one, ${stuck} stuck, ${leaks} leaks, ${faults} with another fault`,
    isGood: crashes > 0 && stuck === 0 && leaks === 0 && faults === 0,
  }
}
