/** What is done about an order while no change is open. */
import type { NodeRuntimeStatus } from '../../crds/types.gen.ts'
import { isRefusal, type Observed } from '../engines/engine.ts'
import type { BootClock } from '../host/boot-clock.ts'
import { answered, released } from '../journal/memory.ts'
import type { Order } from '../journal/records.ts'
import { about } from './answer.ts'
import type { Ledger } from './ledger.ts'
import { type Decision, isFor } from './machine.ts'
import { keepBytes, type Prepared, type Preparing, prepare } from './prepare.ts'
import { type Tidying, tidied } from './tidy.ts'

export interface Ordering extends Preparing, Tidying {
  readonly clock: BootClock
  readonly look: () => Promise<Observed>
  /** Takes Drydock's files off the host. */
  readonly remove: () => Promise<void>
}

export type OrderDecision = Extract<Decision, { order: Order }>

export async function actOnOrder(parts: Ordering, ledger: Ledger, decision: OrderDecision): Promise<void> {
  const { order } = decision
  await (decision.do === 'prepare' ? prepareOrder(parts, ledger, decision) : answerOrder(parts, ledger, decision))
  ledger.settle(order)
  if (decision.do === 'remove') return
  // A full disk must not keep an answer back. What the memory must not lose is written before a change is opened.
  await ledger.save().catch((error) => parts.log.warn('the state could not be written', { error }))
}

type Answered = Exclude<OrderDecision, { do: 'prepare' }>

async function answerOrder(parts: Ordering, ledger: Ledger, decision: Answered): Promise<void> {
  const { order } = decision
  switch (decision.do) {
    case 'observe':
      // Programs of an order that is no longer wanted, whether it was answered or withdrawn before that.
      await tidied(parts, ledger.state.memory)
      ledger.remember(released)
      return ledger.say({ ...about(order), phase: 'Observed', ...(await observed(parts)) })
    case 'refuse':
      return ledger.say({ ...about(order), phase: 'Refused', ...decision.why })
    case 'repeat':
      return ledger.say({ ...ledger.state.memory.answer, ...about(order) })
    case 'remove':
      await tidied(parts, ledger.state.memory)
      await parts.remove()
      return ledger.say({ ...about(order), phase: 'Removed' })
    default:
      return decision satisfies never
  }
}

/** That a look fails is an answer too. */
async function observed({ look }: Ordering): Promise<Pick<NodeRuntimeStatus, 'observed' | 'reason' | 'message'>> {
  try {
    return { observed: await look() }
  } catch (error) {
    return { reason: 'ObservationFailed', message: (error as Error).message }
  }
}

type Preparation = Extract<OrderDecision, { do: 'prepare' }>

async function prepareOrder(parts: Ordering, ledger: Ledger, { order, open }: Preparation): Promise<void> {
  ledger.say({ ...about(order), phase: 'Preparing' })
  const beginMs = parts.clock.monotonicMs()
  const prepared = await prepare(parts, order, ledger.state.memory)
  // Another order came: this one is no longer wanted, least of all its change.
  if (ledger.state.order !== order) return
  if (isRefusal(prepared)) return remember(ledger, order, { phase: 'Refused', ...prepared })
  const message = sentence(prepared)
  const tookMs = Math.round(parts.clock.monotonicMs() - beginMs)
  const prepareMilliseconds = open ? (firstTook(ledger, order) ?? tookMs) : tookMs
  const shown = { ...prepared.shown, prepareMilliseconds }
  const images = prepared.planned.change.images?.names
  if (!open) return remember(ledger, order, { phase: 'Prepared', message, ...shown }, images)
  await openChange(parts, ledger, order, { ...prepared, shown })
}

/** What is prepared once more right before the change is on the node by then: the first time is the one that took its time. */
function firstTook(ledger: Ledger, order: Order): number | undefined {
  const { answer } = ledger.state.memory
  return answer?.phase === 'Prepared' && isFor(order, answer) ? answer.prepareMilliseconds : undefined
}

function sentence({ planned }: Prepared): string {
  const { from, to } = planned.change
  const files = planned.edits.map(({ path }) => path).join(', ')
  const written = files === '' ? '' : ` Ready to write ${files}.`
  if (from.name !== to.name) return `Ready to go from ${from.name} to ${to.name}.${written}`
  if (from.version !== to.version) return `Ready to go from ${to.name} ${from.version} to ${to.version}.${written}`
  return written.trim() || 'The node is as wanted; it is only proven.'
}

function remember(ledger: Ledger, order: Order, said: NodeRuntimeStatus, images?: readonly string[]): void {
  const answer = { ...about(order), ...said }
  ledger.remember((memory) => answered(memory, order, answer, images))
  ledger.say(answer)
}

async function openChange(parts: Ordering, ledger: Ledger, order: Order, { planned, shown }: Prepared): Promise<void> {
  const at = parts.clock.instant()
  try {
    // The fence of this order must be known to whoever comes after a crash.
    await ledger.save()
    const change = { ...planned.change, files: await keepBytes(parts, ledger.state.memory, planned.edits) }
    await ledger.record({ type: 'open', at, id: `${at.boot}/${at.monotonicMs}`, order, change, shown })
  } catch (error) {
    const message = `The change could not be recorded: ${(error as Error).message}`
    remember(ledger, order, { phase: 'Refused', reason: 'NotRecorded', message })
  }
}
