/**
 * What to do next. Pure: the state of the engine and an instant in, one decision out. `run.ts` acts, records and asks
 * again; a crash between any two of these changes no decision but for the time that has passed.
 * docs/protocol.md is the same in tables.
 */
import type { NodeRuntimeStatus } from '../../crds/types.gen.ts'
import type { Instant } from '../host/boot-clock.ts'
import type { Memory } from '../journal/memory.ts'
import type { Order, Why } from '../journal/records.ts'
import { isExchange, stepsOf } from '../steps/index.ts'
import type { StepName } from '../steps/step.ts'
import type { Work } from './work.ts'

/** Used when an order names none. */
const defaultTimeoutSeconds = 120
const defaultCourierTimeoutSeconds = 300

/** Gigabytes from one disk to itself, while the node works as before. */
const exportSeconds = 900

/** What a busy disk does. The time that images take says nothing of the node's health: it comes on top of the proof's. */
const importBytesPerSecond = 10_000_000

export interface State {
  /** The last order that was accepted. */
  readonly order?: Order
  /** Whether that order still has to be looked at. */
  readonly pending: boolean
  /** When the last request came, on the clock of this boot. */
  readonly requestedMs?: number
  readonly memory: Memory
  readonly work?: Work
}

export type Decision =
  | { readonly do: 'wait'; readonly untilMs?: number }
  | { readonly do: 'step'; readonly name: StepName; readonly untilMs: number }
  /** All steps are done. */
  | { readonly do: 'proven' }
  | { readonly do: 'courier' }
  | { readonly do: 'again' }
  | { readonly do: 'back'; readonly why: Why }
  /** Revert these, in this order. */
  | { readonly do: 'undo'; readonly names: readonly StepName[] }
  | { readonly do: 'commit' }
  | { readonly do: 'observe'; readonly order: Order }
  /** `open`: go on with the change when nothing speaks against it. */
  | { readonly do: 'prepare'; readonly order: Order; readonly open: boolean }
  | { readonly do: 'refuse'; readonly order: Order; readonly why: Why }
  /** The answer that was given stands. */
  | { readonly do: 'repeat'; readonly order: Order }
  | { readonly do: 'remove'; readonly order: Order }

const wait: Decision = { do: 'wait' }

export function isFor(order: Order, other: Pick<Order, 'revision' | 'attempt'>): boolean {
  return order.revision === other.revision && order.attempt === other.attempt
}

export function timeoutSeconds(order: Order): number {
  return order.timeoutSeconds ?? defaultTimeoutSeconds
}

/** From the stop of the kubelet to the proof. */
function proofSeconds({ order, findings }: Work): number {
  return timeoutSeconds(order) + Math.ceil((findings.images?.bytes ?? 0) / importBytesPerSecond)
}

/** Whether the order is work of its own: one that only looks is not. */
function isOther(order: Order, work: Work): boolean {
  return order.permit !== 'Observe' && order.revision !== undefined && !isFor(order, work.order)
}

/** The kubelet still works: the time of the proof has not begun. */
function isExporting({ change, touched }: Work): boolean {
  const names = stepsOf(change)
  return names.includes('export-images') && touched <= names.indexOf('stop-kubelet')
}

function forward(state: State, work: Work, now: Instant): Decision {
  const { stage } = work
  if (stage.name !== 'forward') return wait
  const name = stage.steps[stage.next]
  const seconds = isExporting(work) ? exportSeconds : proofSeconds(work)
  const why = whyBack(state, work, now, seconds)
  if (why) return { do: 'back', why }
  const begins = isExporting(work) && name === 'stop-kubelet'
  const untilMs = begins ? now.monotonicMs + proofSeconds(work) * 1000 : stage.since.monotonicMs + seconds * 1000
  return name ? { do: 'step', name, untilMs } : { do: 'proven' }
}

/** The first reason that speaks for going back. */
function whyBack({ order }: State, work: Work, now: Instant, seconds: number): Why | undefined {
  const { stage } = work
  if (stage.name !== 'forward') return undefined
  const step = stage.steps[stage.next]
  const at = step ? { step } : {}
  if (stage.since.boot !== now.boot) {
    return { reason: 'Rebooted', message: 'The node was rebooted before the change was proven.', ...at }
  }
  if (now.monotonicMs >= stage.since.monotonicMs + seconds * 1000) {
    return { reason: 'DeadlineExceeded', message: `The node was not proven within ${seconds} seconds.`, ...at }
  }
  return order ? whyOrdered(order, work) : undefined
}

function whyOrdered(order: Order, work: Work): Why | undefined {
  if (isFor(order, work.order) && order.permit === 'Rollback') {
    return { reason: 'Ordered', message: 'The operator ordered the former state back.' }
  }
  if (isOther(order, work)) {
    return { reason: 'Superseded', message: `Revision ${order.revision} was ordered before this one was committed.` }
  }
  // Whoever gave the order of this change knows nothing of it any more: nobody would ever commit it.
  if (isForOtherNode(order, work)) {
    return { reason: 'OtherNode', message: 'The Node was registered anew before this change was committed.' }
  }
  return undefined
}

function isForOtherNode({ nodeUID }: Order, { order }: Work): boolean {
  return nodeUID !== undefined && order.nodeUID !== undefined && nodeUID !== order.nodeUID
}

function proven({ order, requestedMs }: State, work: Work, now: Instant): Decision {
  const { stage } = work
  if (stage.name !== 'proven') return wait
  if (stage.at.boot !== now.boot) return { do: 'again' }
  const mine = order && isFor(order, work.order) ? order.permit : undefined
  if (mine === 'Commit') return { do: 'commit' }
  const why = order && whyOrdered(order, work)
  if (why) return { do: 'back', why }
  if (stage.courier) return wait
  if (requestedMs !== undefined && requestedMs > stage.at.monotonicMs) return { do: 'courier' }
  const seconds = work.order.courierTimeoutSeconds ?? defaultCourierTimeoutSeconds
  const untilMs = stage.at.monotonicMs + seconds * 1000
  if (now.monotonicMs < untilMs) return { do: 'wait', untilMs }
  const message = `The agent's pod did not come back within ${seconds} seconds after the node had proven itself.`
  return { do: 'back', why: { reason: 'CourierMissing', message } }
}

/** After another boot everything may be running; in the same boot only what was begun can have had an effect. */
function toUndo(work: Work, now: Instant): readonly StepName[] {
  const all = stepsOf(work.change)
  const touched = work.boot === now.boot ? all.slice(0, work.touched) : all
  const isWhole = !isExchange(work.change) && work.change.packages === undefined
  const restored = isWhole && work.stage.name === 'back' && work.stage.restored === now.boot
  // Nothing has run under the new configuration in this boot when the files were back before anything started. Of two
  // engines systemd had chosen the new one by then, and packages are not put back at boot.
  const left = restored ? touched.filter((name) => name !== 'start-engine' && name !== 'write-files') : touched
  return left.toReversed()
}

function failed({ order }: State, work: Work, now: Instant): Decision {
  const { stage } = work
  if (stage.name !== 'failed') return wait
  const anew = stage.at.boot !== now.boot || (order !== undefined && isOther(order, work))
  return anew ? { do: 'back', why: stage.why } : wait
}

function open(state: State, work: Work, now: Instant): Decision {
  switch (work.stage.name) {
    case 'forward':
      return forward(state, work, now)
    case 'proven':
      return proven(state, work, now)
    case 'back':
      return { do: 'undo', names: toUndo(work, now) }
    case 'failed':
      return failed(state, work, now)
    default:
      return work.stage satisfies never
  }
}

/** Nothing is done twice: an answer of this kind stands, whatever the permit. */
const final: readonly (NodeRuntimeStatus['phase'] | undefined)[] = ['Committed', 'RolledBack', 'Refused']

function fresh(order: Order, { answer, nodeUID }: Memory): Decision {
  const answered = answer && isFor(order, answer) ? answer.phase : undefined
  switch (order.permit) {
    case 'Observe':
      return { do: 'observe', order }
    case 'Remove':
      return { do: 'remove', order }
    case 'Prepare':
      // What was prepared for another Node of this name is not prepared for this one.
      return answered && !(answered === 'Prepared' && nodeUID !== order.nodeUID)
        ? { do: 'repeat', order }
        : { do: 'prepare', order, open: false }
    case 'Switch':
      return final.includes(answered) ? { do: 'repeat', order } : { do: 'prepare', order, open: true }
    case 'Commit':
    case 'Rollback':
      return final.includes(answered) ? { do: 'repeat', order } : { do: 'refuse', order, why: nothingOpen(order) }
    default:
      return order.permit satisfies never
  }
}

function nothingOpen({ permit, revision }: Order): Why {
  const message = `${permit} was ordered for revision ${revision}, but no change to it is open on this node.`
  return { reason: 'NothingOpen', message }
}

export function decide(state: State, now: Instant): Decision {
  if (state.work) return open(state, state.work, now)
  return state.pending && state.order ? fresh(state.order, state.memory) : wait
}
