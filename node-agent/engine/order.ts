/** Reads an order that came over the socket. The schema of the API has checked it once; a file or a person has not. */
import { permits } from '../../crds/noderuntime/schema.ts'
import type { Order } from '../journal/records.ts'

export class MalformedOrder extends Error {
  override readonly name = 'MalformedOrder'
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function need(holds: boolean, message: string): asserts holds {
  if (!holds) throw new MalformedOrder(message)
}

const isCount = (value: unknown): boolean => Number.isSafeInteger(value) && Number(value) >= 0

function checkTarget(order: Record<string, unknown>): void {
  const { target, revision } = order
  if (target === undefined) {
    need(revision === 'original', 'target is missing: only revision "original" goes without one.')
    return
  }
  need(isObject(target), 'target must be an object.')
  need(isObject(target['engine']) && typeof target['engine']['name'] === 'string', 'target.engine.name is missing.')
  const handlers = target['handlers'] ?? []
  need(Array.isArray(handlers), 'target.handlers must be a list.')
  for (const handler of handlers) {
    need(isObject(handler) && typeof handler['name'] === 'string', 'Each of target.handlers needs a name.')
  }
}

function checkWork(order: Record<string, unknown>): void {
  need(typeof order['revision'] === 'string' && order['revision'] !== '', 'revision is missing.')
  for (const key of ['attempt', 'fence']) need(isCount(order[key]), `${key} must be a whole number of at least 0.`)
  for (const key of ['timeoutSeconds', 'courierTimeoutSeconds']) {
    const seconds = order[key]
    need(
      seconds === undefined || (isCount(seconds) && Number(seconds) > 0),
      `${key} must be a whole number of seconds.`,
    )
  }
  if (order['permit'] !== 'Prepare' && order['permit'] !== 'Switch') return
  checkTarget(order)
  need(typeof order['image'] === 'string' && order['image'] !== '', 'image is missing: the pods of the proof run it.')
}

/** Throws MalformedOrder with a sentence that says what is wrong. */
export function readOrder(text: string): Order {
  let order: unknown
  try {
    order = JSON.parse(text)
  } catch {
    throw new MalformedOrder('The order is not JSON.')
  }
  need(isObject(order), 'The order must be a JSON object.')
  const { permit } = order
  need(
    permits.some((known) => known === permit),
    `permit must be one of ${permits.join(', ')}.`,
  )
  if (permit !== 'Observe' && permit !== 'Remove') checkWork(order)
  return order as unknown as Order
}
