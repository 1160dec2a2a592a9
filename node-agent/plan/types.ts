/** Input and result of planning one node. */
import type { Observation } from '../detect/observation.ts'
import type { Action, FileEdit, Pasts, Target } from '../engines/engine.ts'

export interface PlanInput {
  readonly observation: Observation
  /** Undefined: what the node ran before Drydock (revision "original"). */
  readonly target: Target | undefined
  /** By path: what Drydock has changed and committed before. */
  readonly pasts: Pasts
}

export interface Plan {
  /** Files to replace; empty when nothing differs. At commit, `{original, after}` of each becomes its `Past`; equal ones are forgotten. */
  readonly edits: readonly FileEdit[]
  readonly action: Action
  /** For the status: one unified diff a file, at most 8 kB each. */
  readonly changes: readonly { readonly path: string; readonly diff: string }[]
}
