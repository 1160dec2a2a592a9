import type { RuntimeProfile } from '../../crds/types.gen.ts'
import type { Budget } from './budget.ts'
import type { Canary } from './canary.ts'
import type { Known, Looks, Stage, Staged } from './types.ts'
import type { Opening } from './window.ts'

/** A node that is prepared and could start. */
export interface Candidate extends Staged {
  readonly member: Known
  readonly stage: Extract<Stage, { at: 'startable' }>
}

/** What the nodes that could start have in common. */
export interface Circumstances {
  readonly profile: RuntimeProfile
  readonly looks: Looks
  readonly staged: readonly Staged[]
  readonly now: Date
  readonly window: Opening | undefined
  readonly canary: Canary | undefined
  readonly budget: Budget
  /** Nodes of the control plane that are not in service. */
  readonly busy: readonly string[]
}
