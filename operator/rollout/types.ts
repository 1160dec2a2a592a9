/** What the planner looks at and what it may decide. Plain data: no clock, no client, no files. */
import type { MigrationReport, NodeRuntime, NodeRuntimeSpec, RuntimeProfile } from '../../crds/types.gen.ts'
import type { Action } from './answer.ts'
import type { Opening } from './window.ts'

export type Permit = NodeRuntimeSpec['permit']
export type Target = NonNullable<NodeRuntimeSpec['target']>

/** Why something is as it is. The condition, the event, the log and the report show the same one. */
export interface Reason {
  /** One CamelCase word, for machines. */
  readonly reason: string
  /** One sentence, for people. It holds no relative times, so that it only changes when the state does. */
  readonly message: string
}

/** The annotation on a Node that Drydock cordoned. */
export interface CordonMark {
  readonly profile: string
  readonly revision: string
  readonly attempt: number
  /** RFC 3339, by the operator's clock. */
  readonly since: string
}

/** Why the operator ended the work at an order: given back before its switch, or rolled back after it. */
export interface GaveUp extends Reason {
  readonly revision: string
  readonly attempt: number
  readonly report: string
  /** When the turn began that ended so. RFC 3339, by the operator's clock. */
  readonly startTime?: string
}

/** The record of a node's turn, kept on its NodeRuntime from the start to the next order. */
export interface Turn {
  readonly revision: string
  readonly attempt: number
  /** RFC 3339, by the operator's clock. */
  readonly startTime: string
  /** The report that the turn belongs to: another than that of the order when a stopped rollout went on. */
  readonly report?: string
  readonly drainMilliseconds?: number
  readonly podsEvicted?: number
  /** The Node's heartbeat when the switch was permitted: only another one can prove the node. */
  readonly heartbeat?: string
  /** When the node was found proven and let commit. RFC 3339, by the operator's clock. */
  readonly provenTime?: string
  readonly before?: NonNullable<NonNullable<MigrationReport['status']>['nodes']>[number]['before']
  /** Of a turn that only proves the node once more: the change before it. */
  readonly change?: Change
}

/** When the last turn that changed the node began, and when it was proven. RFC 3339, by the operator's clock. */
export type Change = Pick<Turn, 'startTime' | 'provenTime'>

export interface NodeView {
  readonly name: string
  readonly uid: string
  readonly labels: Readonly<Record<string, string>>
  readonly controlPlane: boolean
  readonly unschedulable: boolean
  /** It was registered with the startup taint and has not been proven yet: nothing but daemons may be on it. */
  readonly startupTaint: boolean
  readonly deleting: boolean
  readonly ready: boolean
  /** When it last became Ready, or ceased to be. */
  readonly readySince: string | undefined
  /** lastHeartbeatTime of the Ready condition, by the clock of the node. */
  readonly heartbeat: string | undefined
  /** As the kubelet says it: containerd://1.7.24. */
  readonly runtimeVersion: string | undefined
  /** Names of the kubelet's handlers; undefined when the kubelet is too old to say. */
  readonly runtimeHandlers: readonly string[] | undefined
  /** Present when Drydock cordoned the node. */
  readonly cordon: CordonMark | undefined
  /** The endpoint of the kubelet, as kubeadm noted it. */
  readonly criSocket: string | undefined
  /** What that note said before Drydock corrected it. */
  readonly formerCriSocket: string | undefined
}

/** Of a Node; null removes one. */
export type AnnotationChanges = Readonly<Record<string, string | null>>

/** How far the drain of one node is; lost in a restart and found again from the pods on the node. */
export type DrainProgress =
  | { readonly state: 'draining'; readonly why: Reason; readonly podsEvicted: number }
  | { readonly state: 'drained'; readonly podsEvicted: number; readonly milliseconds: number }

/** What a profile wants of one of its nodes. */
export type Intent =
  /** Run the target of the profile. */
  | { readonly kind: 'target' }
  /** Run what was there before Drydock. */
  | { readonly kind: 'original' }
  /** Nothing any more: another profile takes the node over, and has not done so yet. */
  | { readonly kind: 'handOver'; readonly to: string }
  /** Stay as it is: several profiles select the node. */
  | { readonly kind: 'hold'; readonly others: readonly string[] }

/** A node that a profile selects or has given an order to. */
export interface Member {
  readonly node: NodeView
  readonly runtime: NodeRuntime | undefined
  readonly intent: Intent
  readonly drain: DrainProgress | undefined
  /** Since when this process has been draining the node; undefined: it has not begun to. */
  readonly drainSince: Date | undefined
  /** For how long the Node has been compared after Proven, with the API server reachable. In milliseconds. */
  readonly gateMilliseconds: number
}

export interface ReportView {
  readonly name: string
  readonly revision: string
  readonly phase: string | undefined
  readonly nodes: readonly { readonly name: string; readonly attempt: number | undefined; readonly result: string }[]
}

/** The answer to a question that is asked only when a node could start. */
export interface Look {
  /** What stands in the way; undefined: nothing does. */
  readonly why: Reason | undefined
  /** For how long the answer holds; 0: it is old. In milliseconds. */
  readonly freshMilliseconds: number
}

export type Question =
  /** Do the gates of the profile hold? */
  | { readonly ask: 'gates' }
  /** Do the disruption budgets let the pods of the node go? */
  | { readonly ask: 'evictions'; readonly node: string; readonly isRepeated: boolean }

/** The answers that are known; what is not asked is not there. */
export interface Looks {
  readonly gates: Look | undefined
  /** By name of the node. */
  readonly evictions: ReadonlyMap<string, Look>
}

export interface RolloutState {
  readonly profile: RuntimeProfile
  readonly members: readonly Member[]
  /** Of the profile's window, if it has one. */
  readonly window: Opening | undefined
  readonly looks: Looks
  /** Control-plane nodes of the whole cluster that are not Ready or in the middle of a change, of any profile. */
  readonly busyControlPlane: readonly string[]
  readonly reports: readonly ReportView[]
  /** Names of reports that a profile of this name had before it was deleted and created again: they stay as they are. */
  readonly formerReports: readonly string[]
}

/** The order that a node gets; how far it may go follows. */
export interface Order {
  readonly revision: string
  readonly attempt: number
  readonly target: Target | undefined
  /** Name of the MigrationReport that records how it ends; undefined: it proves the node as it is once more. */
  readonly report: string | undefined
  /** When the node was repaired of late, RFC 3339; with this order, if it is a repair. */
  readonly repairs?: readonly string[]
  /** What is kept of the turns before. */
  readonly turn?: Turn
}

export type Decision =
  | { readonly kind: 'AddFinalizer' }
  | { readonly kind: 'RemoveFinalizer' }
  /** Writes a new order with permit Prepare. */
  | { readonly kind: 'Order'; readonly node: string; readonly order: Order }
  /** The order is right already, only under the name of a profile that handed the node over. */
  | { readonly kind: 'Adopt'; readonly node: string }
  /** Takes the order back: the node belongs to no profile any more. */
  | { readonly kind: 'Release'; readonly node: string }
  | { readonly kind: 'Cordon'; readonly node: string; readonly mark: CordonMark }
  /** Begins the turn of a node that somebody else cordoned. */
  | { readonly kind: 'BeginTurn'; readonly node: string; readonly turn: Turn }
  /** Keeps the drain of the node going. */
  | { readonly kind: 'Drain'; readonly node: string }
  | { readonly kind: 'GiveUp'; readonly node: string; readonly gaveUp: GaveUp }
  | { readonly kind: 'PermitSwitch'; readonly node: string; readonly turn: Turn }
  | { readonly kind: 'PermitCommit'; readonly node: string; readonly turn: Turn }
  | { readonly kind: 'PermitRollback'; readonly node: string; readonly gaveUp: GaveUp }
  /** One write that gives the node back: removes our cordon, if any, sets the labels of these handlers (undefined: leaves them), and corrects annotations. */
  | {
      readonly kind: 'Return'
      readonly node: string
      readonly handlers: readonly string[] | undefined
      readonly annotations?: AnnotationChanges
      /** The startup taint goes. */
      readonly admits: boolean
    }
  | { readonly kind: 'StartReport'; readonly name: string; readonly revision: string }
  | { readonly kind: 'RecordNode'; readonly report: string; readonly node: string; readonly outcome: Outcome }
  | {
      readonly kind: 'FinishReport'
      readonly name: string
      readonly end: ReportEnd
    }

/** How a rollout ended. Superseded: by a newer revision; Deleted: by the removal of its profile. */
export type ReportEnd = 'Succeeded' | 'Failed' | 'Superseded' | 'Deleted'

/** How the work at one order ended. */
export type Outcome =
  | { readonly result: 'Committed' }
  | { readonly result: 'Refused' | 'RolledBack' | 'Failed' | 'GaveUp'; readonly why: Reason }

export interface Counts {
  readonly selected: number
  readonly ready: number
  readonly updating: number
  readonly waiting: number
  readonly failed: number
  readonly unavailable: number
}

export interface Plan {
  readonly revision: string
  readonly decisions: readonly Decision[]
  /** Ready: every node is there. Stalled: a person is needed. Else it goes on by itself. */
  readonly progress: 'Ready' | 'Reconciling' | 'Stalled'
  readonly why: Reason
  readonly counts: Counts
  /** Name of the report of the current revision, if there is one. */
  readonly report: string | undefined
  /** When the plan can change although no object does. In milliseconds from now. */
  readonly lookAgainMilliseconds: number | undefined
  /** What has to be known before anything more starts; the plan made with the answers goes further. */
  readonly questions: readonly Question[]
}

/** Where one node is, and the one thing to do next with it. */
export type Stage =
  /** Waits for something that no order brings about. */
  | { readonly at: 'waiting'; readonly why: Reason; readonly lookAgainMilliseconds?: number }
  /** From the cordon to the last answer: it holds its place, and it finishes whatever else happens. */
  | {
      readonly at: 'underWay'
      readonly why: Reason
      readonly decision?: Decision
      readonly lookAgainMilliseconds?: number
    }
  /** Its work has ended, and it is still cordoned or labelled as before. */
  | { readonly at: 'returning'; readonly decision: Decision }
  | { readonly at: 'releasing'; readonly decision: Decision }
  | { readonly at: 'ordering'; readonly decision: Decision }
  | { readonly at: 'preparing'; readonly why: Reason }
  /** Prepared: it starts as soon as the rollout lets it. */
  | { readonly at: 'startable'; readonly action: Action }
  | { readonly at: 'failed'; readonly why: Reason; readonly decision?: Decision }
  | { readonly at: 'drifted'; readonly why: Reason; readonly lookAgainMilliseconds?: number }
  | { readonly at: 'held'; readonly why: Reason }
  | { readonly at: 'done' }

export interface Staged {
  readonly member: Member
  readonly stage: Stage
}

/** Why a node does not start yet. */
export interface Delay {
  readonly why: Reason
  /** When that can change although no object does. In milliseconds from now. */
  readonly lookAgainMilliseconds?: number
  readonly question?: Question
}

/** What the stages of one profile's nodes have in common. */
export interface Wish {
  readonly profile: RuntimeProfile
  readonly target: Target
  readonly revision: string
  /** Name of the report that a new order of this revision belongs to. */
  readonly reportOf: (revision: string) => string
  readonly now: Date
}

/** A member whose NodeRuntime is there. */
export type Known = Member & { readonly runtime: NodeRuntime }
