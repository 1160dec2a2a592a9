/** The open change, as the records of its journal tell it. Pure: the same records give the same work after any crash. */
import type { Instant } from '../host/boot-clock.ts'
import type { Change, JournalRecord, Order, Shown, Why } from '../journal/records.ts'
import { stepsAgain, stepsOf } from '../steps/index.ts'
import type { Finding, Findings, StepName } from '../steps/step.ts'

/** `next` is the step to apply; one that was begun before a crash is applied again. The deadline counts from `since`. */
interface Forward {
  readonly name: 'forward'
  readonly since: Instant
  readonly steps: readonly StepName[]
  readonly next: number
}

type Stage =
  | Forward
  | { readonly name: 'proven'; readonly at: Instant; readonly courier: boolean }
  /** `restored` names the boot in which the former files were put back before anything started. */
  | { readonly name: 'back'; readonly why: Why; readonly restored?: string }
  | { readonly name: 'failed'; readonly at: Instant; readonly why: Why }

export interface Timing {
  readonly name: string
  readonly begin: Instant
  /** Absent: the next one began when it ended. */
  readonly end?: Instant
}

export interface Work {
  readonly id: string
  readonly order: Order
  readonly change: Change
  readonly shown: Shown
  readonly stage: Stage
  /** Of the whole change: the first so many steps may have had an effect. */
  readonly touched: number
  /** The boot in which the last step was begun. */
  readonly boot: string
  readonly timings: readonly Timing[]
  /** When the last pass through the steps ended; absent while one is under way. */
  readonly end?: Instant
  readonly findings: Findings
}

type Opening = Extract<JournalRecord, { type: 'open' }>

function opened({ id, order, change, shown, at }: Opening): Work {
  const stage = { name: 'forward', since: at, steps: stepsOf(change), next: 0 } as const
  const nothing = { touched: 0, boot: at.boot, timings: [], findings: { podsRemoved: 0 } }
  return { id, order, change, shown, stage, ...nothing }
}

/** Before the kubelet stops nothing is disrupted: from there on the deadline counts, and a crash does not move it. */
function forwarded(stage: Forward, { touched, change }: Work, { name, at }: { name: StepName; at: Instant }): Forward {
  const first = stepsOf(change).indexOf('stop-kubelet')
  const isFirstStop = name === 'stop-kubelet' && touched <= first
  return { ...stage, next: stage.steps.indexOf(name), since: isFirstStop ? at : stage.since }
}

function begun(work: Work, { name, at, findings }: Extract<JournalRecord, { type: 'step' }>): Work {
  const { stage } = work
  const all = stepsOf(work.change)
  // Once proven, everything has been touched, and stays so while the node is proven again.
  const touched = Math.max(work.touched, all.indexOf(name) + 1)
  return {
    ...work,
    stage: stage.name === 'forward' ? forwarded(stage, work, { name, at }) : stage,
    touched,
    boot: at.boot,
    timings: [...work.timings, { name, begin: at }],
    findings,
  }
}

function proven(work: Work, { at, findings }: Extract<JournalRecord, { type: 'proven' }>): Work {
  const touched = stepsOf(work.change).length
  const timings = work.timings.map((timing, index, all) => (index === all.length - 1 ? { ...timing, end: at } : timing))
  return { ...work, stage: { name: 'proven', at, courier: false }, touched, timings, end: at, findings }
}

/** A record that has no meaning where it stands changes nothing. */
export function record(work: Work | undefined, entry: JournalRecord): Work | undefined {
  if (entry.type === 'open') return opened(entry)
  if (!work) return undefined
  const { end: _, ...anew } = work
  const { stage } = work
  switch (entry.type) {
    case 'step':
      return begun(work, entry)
    case 'proven':
      return proven(work, entry)
    case 'courier':
      return stage.name === 'proven' ? { ...work, stage: { ...stage, courier: true } } : work
    case 'again': {
      const steps = stepsAgain(work.change)
      return { ...anew, stage: { name: 'forward', since: entry.at, steps, next: 0 }, timings: [] }
    }
    case 'back':
      return { ...anew, stage: { name: 'back', why: entry.why } }
    case 'restored':
      return stage.name === 'back' ? { ...work, stage: { ...stage, restored: entry.at.boot } } : work
    case 'failed':
      return { ...work, stage: { name: 'failed', at: entry.at, why: entry.why } }
    default:
      return entry satisfies never
  }
}

export function replay(records: readonly JournalRecord[]): Work | undefined {
  return records.reduce<Work | undefined>(record, undefined)
}

/** What steps find out while they run. Not in the journal until the next record. */
export function found(work: Work, { images: more, ...finding }: Finding): Work {
  const { findings } = work
  const podsRemoved = findings.podsRemoved + (finding.podsRemoved ?? 0)
  const images = more && { carried: 0, bytes: 0, ...findings.images, ...more }
  return { ...work, findings: { ...findings, ...finding, ...(images && { images }), podsRemoved } }
}

/** The step under way is done: the next one is due. Not in the journal: a crash does the step again. */
export function stepped(work: Work): Work {
  const { stage } = work
  return stage.name === 'forward' ? { ...work, stage: { ...stage, next: stage.next + 1 } } : work
}

/** A step is about to be reverted. Not in the journal: a crash reverts all of them again. */
export function undoing(work: Work, name: StepName, begin: Instant): Work {
  return { ...work, timings: [...work.timings, { name: `undo ${name}`, begin }] }
}
