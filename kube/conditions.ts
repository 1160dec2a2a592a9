// Status conditions as the API conventions define them.

export type ConditionStatus = 'True' | 'False' | 'Unknown'

export interface Condition {
  type: string
  status: ConditionStatus
  /** CamelCase, for machines. */
  reason: string
  /** A sentence, for people. */
  message: string
  observedGeneration?: number
  /** When `status` last changed, RFC 3339 with whole seconds. */
  lastTransitionTime: string
}

export type ConditionUpdate = Omit<Condition, 'lastTransitionTime'>

/**
 * The conditions with this one set, in their former order, a new type last.
 * `lastTransitionTime` moves only when `status` changes. Gives back the same array when nothing changes.
 */
export function setCondition(
  conditions: readonly Condition[],
  update: ConditionUpdate,
  now: Date,
): readonly Condition[] {
  const index = conditions.findIndex(({ type }) => type === update.type)
  const former = conditions[index]
  if (former && isSame(former, update)) return conditions
  const lastTransitionTime = former?.status === update.status ? former.lastTransitionTime : wholeSeconds(now)
  const next = { ...update, lastTransitionTime }
  return former ? conditions.with(index, next) : [...conditions, next]
}

export function findCondition(conditions: readonly Condition[] | undefined, type: string): Condition | undefined {
  return conditions?.find((condition) => condition.type === type)
}

/** Absent and Unknown are not true. */
export function isTrue(conditions: readonly Condition[] | undefined, type: string): boolean {
  return findCondition(conditions, type)?.status === 'True'
}

function isSame(former: Condition, update: ConditionUpdate): boolean {
  return (
    former.status === update.status &&
    former.reason === update.reason &&
    former.message === update.message &&
    former.observedGeneration === update.observedGeneration
  )
}

function wholeSeconds(date: Date): string {
  return date.toISOString().replace(/\.\d+Z$/, 'Z')
}
