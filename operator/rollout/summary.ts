/** The one sentence that says where a rollout is, and how Ready, Reconciling and Stalled follow. */
import type { RuntimeProfile } from '../../crds/types.gen.ts'
import { list } from './budget.ts'
import type { Member, Plan, Reason, Stage } from './types.ts'
import { windowInvalid } from './window.ts'

interface Situation {
  readonly profile: RuntimeProfile
  readonly staged: readonly { readonly member: Member; readonly stage: Stage }[]
  /** Why no further node starts. */
  readonly stop: Reason | undefined
  /** Why the next node does not start. */
  readonly waits: Reason | undefined
  /** Nodes whose turn begins with this plan. */
  readonly started: readonly Member[]
  readonly isDeleting: boolean
}

type Summary = Pick<Plan, 'progress' | 'why'>
type Speaker = (situation: Situation) => Summary | undefined

/** In order; the first that speaks is heard. */
const speakers: readonly Speaker[] = [
  underWay, // what moves is more interesting than what waits
  conflict, // only a person can say which profile is meant
  stopped, // too many failures, or paused
  starting,
  blocked, // the next node could start, if it were not for something
  preparing,
  failed, // all that could be done is done
  drifted,
  waiting, // nodes that nobody answers for
]

export function summaryOf(situation: Situation): Summary {
  for (const speaker of speakers) {
    const summary = speaker(situation)
    if (summary) return summary
  }
  const count = situation.staged.length
  if (situation.isDeleting) return reconciling({ reason: 'Restored', message: 'Every node runs what it ran before' })
  if (count === 0) return { progress: 'Ready', why: { reason: 'NoNodes', message: 'The nodeSelector selects no node' } }
  const message = count === 1 ? 'The node runs the target, proven' : `All ${count} nodes run the target, proven`
  return { progress: 'Ready', why: { reason: 'Converged', message } }
}

function underWay({ staged, stop }: Situation): Summary | undefined {
  const moving = staged.flatMap(({ stage }) => (stage.at === 'underWay' ? [stage.why] : []))
  const first = mostTelling(moving)
  if (!first) return undefined
  const others = moving.length > 1 ? ` (and ${moving.length - 1} more under way)` : ''
  const then = stop ? `. ${stop.message}` : ''
  return reconciling({ reason: first.reason, message: `${first.message}${others}${then}` })
}

/** A node that is held up says more than one that goes on. */
function mostTelling(reasons: readonly Reason[]): Reason | undefined {
  const plain = ['Draining', 'Switching', 'Proven', 'Committing']
  return reasons.find(({ reason }) => !plain.includes(reason)) ?? reasons[0]
}

function conflict({ staged }: Situation): Summary | undefined {
  const held = staged.flatMap(({ stage }) => (stage.at === 'held' ? [stage.why] : []))
  const [first] = held
  if (!first) return undefined
  const others = held.length > 1 ? ` (and ${held.length - 1} more nodes)` : ''
  return { progress: 'Stalled', why: { reason: first.reason, message: `${first.message}${others}` } }
}

function stopped({ stop, staged }: Situation): Summary | undefined {
  if (!stop) return undefined
  // A window that never opens is wrong already when there is nothing to do.
  if (stop.reason !== windowInvalid && staged.every(({ stage }) => stage.at === 'done')) return undefined
  return stop.reason === 'Paused' ? reconciling(stop) : { progress: 'Stalled', why: stop }
}

function starting({ started, staged }: Situation): Summary | undefined {
  const [first] = started
  if (first) return reconciling({ reason: 'Starting', message: `${first.node.name} is next` })
  const leaving = staged.find(({ stage }) => stage.at === 'returning')
  if (!leaving) return undefined
  return reconciling({ reason: 'Returning', message: `${leaving.member.node.name} is given back` })
}

function blocked({ waits }: Situation): Summary | undefined {
  return waits && reconciling(waits)
}

function preparing({ staged }: Situation): Summary | undefined {
  const names = staged
    .filter(({ stage }) => stage.at === 'ordering' || stage.at === 'preparing' || stage.at === 'releasing')
    .map(({ member }) => member.node.name)
  if (names.length === 0) return undefined
  const silent = staged.flatMap(({ stage }) => (stage.at === 'preparing' ? [stage.why] : []))
  if (names.length === 1 && silent[0]) return reconciling(silent[0])
  return reconciling({ reason: 'Preparing', message: `Preparing ${list(names)}` })
}

function failed({ staged }: Situation): Summary | undefined {
  const failures = staged.flatMap(({ stage }) => (stage.at === 'failed' ? [stage.why] : []))
  const [first] = failures
  if (!first) return undefined
  const others = failures.length > 1 ? ` (and ${failures.length - 1} more failed nodes)` : ''
  return { progress: 'Stalled', why: { reason: first.reason, message: `${first.message}${others}` } }
}

function drifted({ staged }: Situation): Summary | undefined {
  const [first] = staged.flatMap(({ stage }) => (stage.at === 'drifted' ? [stage.why] : []))
  return first && { progress: 'Stalled', why: first }
}

function waiting({ staged }: Situation): Summary | undefined {
  const [first] = staged.flatMap(({ stage }) => (stage.at === 'waiting' ? [stage.why] : []))
  return first && reconciling(first)
}

const reconciling = (why: Reason): Summary => ({ progress: 'Reconciling', why })
