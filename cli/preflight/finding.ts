/** What a check has to say. */

/** From harsh to harmless: what stops a rollout, what may hurt somebody, what is good to know. */
export const severities = ['Blocking', 'Warning', 'Note'] as const
export type Severity = (typeof severities)[number]

export interface Finding {
  readonly severity: Severity
  /** Kind and name, such as `PodDisruptionBudget shop/cart`. */
  readonly subject: string
  /** What is so, in a sentence without its subject. */
  readonly what: string
  /** What to do about it. */
  readonly advice: string
}
