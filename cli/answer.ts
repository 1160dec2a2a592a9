/** What a command says and how the process ends. */

export const exitCodes = {
  /** All is well. */
  good: 0,
  /** The question was answered, and the answer is bad news: a file is wrong, a rollout is blocked. */
  bad: 1,
  /** The command line is wrong. */
  usage: 2,
  /** There is no answer: no kubeconfig, no API server, Drydock is not installed, no such object. */
  none: 3,
} as const

export interface Answer {
  /** For standard output. */
  readonly text: string
  /** For standard error: what a pipe must not see. */
  readonly notes?: string
  readonly code: 0 | 1
}

export const answer = (text: string): Answer => ({ text, code: exitCodes.good })

/** The command line is wrong; the message says how to write it. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}
