/** Input and result of planning one node. */
import type { Observation } from '../detect/observation.ts'
import type {
  Action,
  CgroupDriver,
  FileEdit,
  FileFound,
  Found,
  Pasts,
  SourceEngine,
  Staged,
  Target,
} from '../engines/engine.ts'

/** The engine that the node is to have, as it is or will be. */
export interface EngineAhead {
  readonly engine: SourceEngine
  readonly found: Found
  readonly staged?: Staged
}

/** What the engine of before Drydock had. A new engine takes it over, as far as the target leaves it open. */
export interface Heritage {
  readonly engine: string
  readonly cgroupDriver: CgroupDriver | undefined
  readonly sandboxImage: string | undefined
}

export interface PlanInput {
  readonly observation: Observation
  /** Undefined: the engine that is asked for is not on the node, and the target names no source for it. */
  readonly to: EngineAhead | undefined
  /** Undefined: what the node ran before Drydock (revision "original"). */
  readonly target: Target | undefined
  readonly heritage: Heritage
  /** By path: what Drydock has changed and committed before. */
  readonly pasts: Pasts
  /** The bytes of these paths as they are: those of `pasts`, and of crictl's configuration. */
  readonly files: ReadonlyMap<string, Buffer | undefined>
  /** Everything in the folder of CNI configuration. */
  readonly networks: readonly FileFound[]
  /** Packages are put back to what they were before Drydock. */
  readonly restoresPackages: boolean
  /** Containers on the node's engine that are not the kubelet's. */
  readonly strangers: readonly string[]
}

export interface Plan {
  /** Files to replace; empty when nothing differs. At commit, `{original, after}` of each becomes its `Past`; equal ones are forgotten. */
  readonly edits: readonly FileEdit[]
  readonly action: Action
  /** For the status: one unified diff a file, at most 8 kB each. */
  readonly changes: readonly { readonly path: string; readonly diff: string }[]
  /** What else a person should know, one sentence each. */
  readonly notes: readonly string[]
  /** The target with what it leaves open filled in. Undefined: the original. */
  readonly target: Target | undefined
}
