import { isOut } from './availability.ts'
import type { Member } from './types.ts'

const natural = new Intl.Collator('en', { numeric: true })

/**
 * The order of turns: workers before the control plane, nodes that are out of service anyway first (they cost nobody
 * anything), then by name, numbers as numbers. The same nodes always give the same order.
 */
export function inOrder(members: readonly Member[]): Member[] {
  return [...members].sort(
    (a, b) =>
      Number(a.node.controlPlane) - Number(b.node.controlPlane) ||
      Number(isOut(b.node)) - Number(isOut(a.node)) ||
      natural.compare(a.node.name, b.node.name) ||
      (a.node.name < b.node.name ? -1 : 1),
  )
}
