import type { MigrationReportStatus, NodeRuntime, NodeRuntimeStatus } from '../../crds/types.gen.ts'
import { answerOf } from '../rollout/answer.ts'
import { turnOf } from '../rollout/marks.ts'
import type { Outcome } from '../rollout/types.ts'
import { runtimeState } from './runtime-state.ts'
import { cut } from './sentence.ts'

export type ReportNode = NonNullable<MigrationReportStatus['nodes']>[number]

/** What became of one node, from its NodeRuntime with all its texts. */
export function entryOf(runtime: NodeRuntime, outcome: Outcome, now: Date): ReportNode {
  const answer = answerOf(runtime)
  const turn = turnOf(runtime)
  const { action, changes, steps, verification, observed } = answer ?? {}
  const after = runtimeState(observed)
  return {
    name: runtime.metadata.name,
    result: resultOf(outcome, answer),
    ...(action && { action }),
    ...(runtime.spec?.attempt !== undefined && { attempt: runtime.spec.attempt }),
    ...(turn && { startTime: turn.startTime }),
    completionTime: now.toISOString(),
    before: turn?.before ?? after,
    after,
    ...(changes?.length && { changes }),
    ...(steps?.length && { steps }),
    ...(turn?.drainMilliseconds !== undefined && { drainMilliseconds: turn.drainMilliseconds }),
    ...(turn?.podsEvicted !== undefined && { podsEvicted: turn.podsEvicted }),
    ...(answer && effectsOf(answer)),
    ...(verification && { verification }),
    ...('why' in outcome && answer?.failedStep && { failedStep: answer.failedStep }),
    ...('why' in outcome && { reason: outcome.why.reason, message: cut(outcome.why.message) }),
  }
}

/** What the change did beside its steps. */
function effectsOf(status: NodeRuntimeStatus): Partial<ReportNode> {
  const { prepareMilliseconds, kubeletDownMilliseconds, podsRemoved, images, reclaimableBytes, residue, notes } = status
  return {
    ...(prepareMilliseconds !== undefined && { prepareMilliseconds }),
    ...(kubeletDownMilliseconds !== undefined && { kubeletDownMilliseconds }),
    ...(podsRemoved !== undefined && { podsRemoved }),
    ...(images && { images }),
    ...(reclaimableBytes !== undefined && { reclaimableBytes }),
    ...(residue?.length && { residue }),
    ...(notes?.length && { notes }),
  }
}

function resultOf(outcome: Outcome, answer: NodeRuntime['status']): ReportNode['result'] {
  switch (outcome.result) {
    case 'Committed':
      return answer?.action === 'None' && !answer.changes?.length ? 'Unchanged' : 'Changed'
    case 'GaveUp':
      return 'Skipped'
    default:
      return outcome.result
  }
}

/** An object of the API holds 1.5 MB; from here on entries keep what happened and lose how. In bytes. */
const fullBytes = 700_000

/** The entry as it fits into a report that has so many bytes already. */
export function fit(entry: ReportNode, bytes: number): ReportNode {
  if (bytes < fullBytes) return entry
  const { changes: _, steps: __, residue: ___, notes: ____, verification, message, ...kept } = entry
  return {
    ...kept,
    ...(message && { message: message.slice(0, 512) }),
    ...(verification && { verification: { ...verification, handlers: [] } }),
  }
}
