import type { MigrationReportStatus } from '../../crds/types.gen.ts'
import type { ReportEnd } from '../rollout/types.ts'

export type Totals = Required<Pick<MigrationReportStatus, 'changed' | 'unchanged' | 'failed'>>

/** Sums up how the nodes ended, listed or not. */
export function totalsOf(results: readonly string[]): Totals {
  const count = (...wanted: readonly string[]): number => results.filter((result) => wanted.includes(result)).length
  return {
    changed: count('Changed'),
    unchanged: count('Unchanged'),
    failed: count('Refused', 'RolledBack', 'Failed', 'Skipped'),
  }
}

/** The one sentence of a report that has ended. */
export function closingSentence(end: ReportEnd, { changed, unchanged, failed }: Totals, firstFailure?: string): string {
  const parts = [
    `${nodes(changed)} changed and proven`,
    ...(unchanged > 0 ? [`${nodes(unchanged)} needed no change`] : []),
    ...(failed > 0 ? [`${nodes(failed)} failed`] : []),
  ]
  const sum = `${parts.join(', ')}.`
  if (end === 'Superseded') return `A newer revision took over: ${sum}`
  if (end === 'Deleted') return `The profile was deleted before all was done: ${sum}`
  return firstFailure ? `${sum} ${firstFailure}` : sum
}

const nodes = (count: number): string => (count === 1 ? '1 node' : `${count} nodes`)
