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
  /** What it was made from where there was none. */
  readonly start?: BlobName
  /** Permissions of a file that there was none of, or that there will be none of: it comes back with them. */
  readonly mode?: number
  /** Folders above it that Drydock makes, the innermost first: without a file in them they go again. */
  readonly folders?: readonly string[]
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
  /** Configuration files that came with what was installed, and may go with it. */
  readonly brought: readonly string[]
}

export interface PackageStep {
  /** `restore`: what the change of packages installed is taken back. */
  readonly act: 'install' | 'restore'
  readonly change: PackageChange
  /** Once this is committed: all that has been changed since Drydock came. */
  readonly taken?: PackageChange
}

/** What becomes of one systemd unit of the engines. */
export interface UnitChange {
  readonly name: string
  /** `before` as `systemctl is-enabled` prints it, empty when there was no such unit. Without `after` it stays as it is. */
  readonly enabled: { readonly before: string; readonly after?: 'enabled' | 'disabled' }
  readonly runs: { readonly before: boolean; readonly after: boolean }
  /** It runs on untouched: others than the kubelet depend on it, and nothing of it changes. */
  readonly runsOn?: boolean
}

/** Everything that the change and its undoing need to know, so that neither looks at the node again after a crash. */
export interface Change {
  readonly action: Action
  readonly from: Side
  /** Equal to `from` but for the version when the engine stays. */
  readonly to: Side
  /** Of both sides, each once. */
  readonly units: readonly UnitChange[]
  readonly packages?: PackageStep
  /** What the new store is to have: carried over from the former one through a file on the host, or pulled without one. */
  readonly images?: { readonly names: readonly string[]; readonly archive?: string }
  /** Absent, with `healthz`: nobody's kubelet uses the engine. There is none, or it has not joined a cluster and ends as soon as it starts. */
  readonly kubeletUnit?: string
  readonly healthz?: { readonly address: string; readonly port: number }
  readonly files: readonly FileRecord[]
  /** The agent's image: the pods of the proof run it. */
  readonly image: string
  /** Files on the host with images that no registry has to have, such as the proof's: imported before it. */
  readonly archives?: readonly string[]
  /** There is no network of pods yet, or it needs what rests meanwhile: pods of the proof run in the host's network. */
  readonly isWithoutNetwork?: true
  readonly wanted: Expectation
  /** Absent where nothing could be proven before: no engine, or one whose CRI is part of the kubelet. */
  readonly former?: Expectation
  /** The pause image of before. */
  readonly sandboxImage?: string
}

/** Why a change is undone. */
export interface Why {
  readonly reason: string
  readonly message: string
  readonly step?: string
}

/** What the status shows of a plan. */
export type Shown = Pick<
  NodeRuntimeStatus,
  'action' | 'changes' | 'images' | 'notes' | 'observed' | 'prepareMilliseconds' | 'reclaimableBytes'
>

export type JournalRecord =
  /** The change begins: the deadline counts from here. */
  | {
      readonly type: 'open'
      readonly at: Instant
      readonly id: string
      readonly order: Order
      readonly change: Change
      readonly shown: Shown
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
