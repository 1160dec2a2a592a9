import type { MigrationReportStatus } from '../../crds/types.gen.ts'
import { aborted } from '../rollout/abort.ts'
import type { ReportEnd } from '../rollout/types.ts'
import type { ReportNode } from './entry.ts'
import { cut } from './sentence.ts'

/** How one node ended. */
export type Ended = Pick<ReportNode, 'result' | 'reason'>

export type Totals = Required<Pick<MigrationReportStatus, 'changed' | 'unchanged' | 'failed'>>

/** Sums up how the nodes ended, listed or not. What was aborted is no failure. */
export function totalsOf(nodes: readonly Ended[]): Totals {
  const count = (...wanted: readonly Ended['result'][]): number =>
    nodes.filter(({ result, reason }) => wanted.includes(result) && reason !== aborted).length
  return {
    changed: count('Changed'),
    unchanged: count('Unchanged'),
    failed: count('Refused', 'RolledBack', 'Failed', 'Skipped'),
  }
}

/** The one sentence of a report that has ended, as long as the API takes it. */
export function closingSentence(end: ReportEnd, { changed, unchanged, failed }: Totals, firstFailure?: string): string {
  const parts = [
    `${nodes(changed)} changed and proven`,
    ...(unchanged > 0 ? [`${nodes(unchanged)} needed no change`] : []),
    ...(failed > 0 ? [`${nodes(failed)} failed`] : []),
  ]
  const sum = `${parts.join(', ')}.`
  if (end === 'Superseded') return `A newer revision took over: ${sum}`
  if (end === 'Deleted') return `The profile was deleted before all was done: ${sum}`
  return firstFailure ? cut(`${sum} ${firstFailure}`) : sum
}

const nodes = (count: number): string => (count === 1 ? '1 node' : `${count} nodes`)
