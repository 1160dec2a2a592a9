import { isDeepStrictEqual } from 'node:util'
import type { RuntimeProfile, RuntimeProfileStatus } from '../../../crds/types.gen.ts'
import { type Condition, type ConditionStatus, setCondition } from '../../../kube/conditions.ts'
import { cut } from '../../reports/sentence.ts'
import type { Plan } from '../../rollout/types.ts'

type Trio = Readonly<Record<'Ready' | 'Reconciling' | 'Stalled', ConditionStatus>>

/** As kstatus reads them: a rollout goes on, needs a person, or is done. */
const conditionsOf: Readonly<Record<Plan['progress'], Trio>> = {
  Ready: { Ready: 'True', Reconciling: 'False', Stalled: 'False' },
  Reconciling: { Ready: 'False', Reconciling: 'True', Stalled: 'False' },
  Stalled: { Ready: 'False', Reconciling: 'False', Stalled: 'True' },
}

/** The status that the plan amounts to; the same object when nothing changed. */
export function statusOf({ metadata, status }: RuntimeProfile, plan: Plan, now: Date): RuntimeProfileStatus {
  const { revision, counts, why, report, progress } = plan
  const message = cut(why.message)
  const observedGeneration = metadata.generation ?? 0
  let conditions: readonly Condition[] = status?.conditions ?? []
  for (const [type, value] of Object.entries(conditionsOf[progress])) {
    const update = { type, status: value, reason: why.reason, message, observedGeneration }
    conditions = setCondition(conditions, update, now)
  }
  const next: RuntimeProfileStatus = {
    observedGeneration,
    revision,
    nodes: { ...counts },
    message,
    ...(report !== undefined && { report }),
    conditions: [...conditions],
  }
  return status && isDeepStrictEqual(status, next) ? status : next
}
