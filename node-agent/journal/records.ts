/** What the journal says. Each record is durable before what it announces happens. */
import type { NodeRuntimeSpec, NodeRuntimeStatus } from '../../crds/types.gen.ts'
import type { Action, CgroupDriver, Side } from '../engines/engine.ts'
import type { Instant } from '../host/boot-clock.ts'
import type { Findings, StepName } from '../steps/step.ts'

/** The spec of the NodeRuntime, and what the courier adds. */
export type Order = NodeRuntimeSpec & {
  /** The agent's image: the pods of the proof run it. */
  readonly image?: string
  /** metadata.generation that the order was read at. */
  readonly generation?: number
  /** The machine that gave the answer which the order follows from. */
  readonly machineID?: string
}

export type Verification = NonNullable<NodeRuntimeStatus['verification']>

/** Name of a blob: the SHA-256 of its bytes. null: there was, or will be, no file. */
export type BlobName = string | null

export interface FileRecord {
  readonly path: string
  readonly before: BlobName
  readonly after: BlobName
  /** What the file is without Drydock. */
  readonly original: BlobName
}

/** What a proof must show. */
export interface Expectation {
  /** At least one; the default handler is among them, because pods without a RuntimeClass run under it. */
  readonly handlers: readonly { readonly name: string; readonly default: boolean }[]
  readonly cgroupDriver: CgroupDriver
  readonly cgroupVersion: 'v1' | 'v2'
  readonly kubeletDriver?: CgroupDriver
}

/** Packages of the distribution, from archives that lie on the host: nothing of this needs the network. */
export interface PackageChange {
  readonly manager: 'apt' | 'dnf' | 'zypper'
  /** What will be there. `archive` is the package's file on the host. */
  readonly install: readonly { readonly name: string; readonly version: string; readonly archive: string }[]
  /** What was there: without a version, nothing was; `archive` is the file that it can be restored from. */
  readonly former: readonly { readonly name: string; readonly version?: string; readonly archive?: string }[]
  /** Names that were held or pinned, and are again afterwards. */
  readonly held: readonly string[]
}

/** How a systemd unit was before the change. */
export interface UnitRecord {
  readonly name: string
  /** As `systemctl is-enabled` prints it; empty: there was no such unit. */
  readonly enabled: string
  readonly active: boolean
}

/** Everything that the change and its undoing need to know, so that neither looks at the node again after a crash. */
export interface Change {
  readonly action: Action
  readonly from: Side
  /** Equal to `from` but for the version when the engine stays. */
  readonly to: Side
  /**
   * Only when the engines differ. keep: the former units run on and stay enabled, only the kubelet's pods go;
   * disable: they are stopped and disabled.
   */
  readonly previous?: 'keep' | 'disable'
  readonly packages?: PackageChange
  /** Carried from the former store to the new one. */
  readonly images?: { readonly names: readonly string[]; readonly archive: string }
  readonly kubeletUnit: string
  readonly healthz: { readonly address: string; readonly port: number }
  readonly files: readonly FileRecord[]
  /** The agent's image: the pods of the proof run it. */
  readonly image: string
  readonly wanted: Expectation
  readonly former: Expectation
}

/** Why a change is undone. */
export interface Why {
  readonly reason: string
  readonly message: string
  readonly step?: string
}

export type JournalRecord =
  /** The change begins: the deadline counts from here. */
  | {
      readonly type: 'open'
      readonly at: Instant
      readonly id: string
      readonly order: Order
      readonly change: Change
      /** What the status shows of the plan. */
      readonly shown: Pick<NodeRuntimeStatus, 'action' | 'changes' | 'observed'>
    }
  /** A step is about to be applied. */
  | { readonly type: 'step'; readonly at: Instant; readonly name: StepName; readonly findings: Findings }
  /** Every step is done and every handler proven. */
  | { readonly type: 'proven'; readonly at: Instant; readonly findings: Findings }
  /** A request came after the proof. */
  | { readonly type: 'courier'; readonly at: Instant }
  /** The node has booted since the proof, and is about to be proven again; the deadline counts from here. */
  | { readonly type: 'again'; readonly at: Instant }
  /** The change is about to be undone. */
  | { readonly type: 'back'; readonly at: Instant; readonly why: Why }
  /** The former files were put back at boot, before engine and kubelet started. */
  | { readonly type: 'restored'; readonly at: Instant }
  /** Undoing did not end in a proven node. */
  | { readonly type: 'failed'; readonly at: Instant; readonly why: Why }
