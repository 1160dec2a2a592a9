import { isUnavailable } from './availability.ts'
import type { Member, Reason } from './types.ts'

/** How many of `total` nodes: a percentage is rounded down, and at least one it is. */
export function shareOf(value: number | string | undefined, total: number): number {
  if (value === undefined) return 1
  if (typeof value === 'number') return Math.max(1, value)
  return Math.max(1, Math.floor((total * Number.parseInt(value, 10)) / 100))
}

/** Reason of a node that waits for a place. */
export const maxUnavailable = 'MaxUnavailable'

export interface Budget {
  readonly limit: number
  /** Nodes out of service for any reason, in the order of their names; those taken since come last. */
  readonly unavailable: ReadonlySet<string>
}

export function budgetOf(members: readonly Member[], value: number | string | undefined): Budget {
  const names = members.filter(isUnavailable).map(({ node }) => node.name)
  return { limit: shareOf(value, members.length), unavailable: new Set(names.sort()) }
}

/** Why the node cannot be taken out of service now; a node that is out already takes no further place. */
export function overBudget({ limit, unavailable }: Budget, node: string): Reason | undefined {
  const after = unavailable.has(node) ? unavailable.size : unavailable.size + 1
  if (after <= limit) return undefined
  return {
    reason: maxUnavailable,
    message: `${node} waits: ${list(unavailable)} ${unavailable.size === 1 ? 'is' : 'are'} unavailable and maxUnavailable allows ${limit}`,
  }
}

/** The budget with one more node out of service. */
export function take({ limit, unavailable }: Budget, node: string): Budget {
  return unavailable.has(node) ? { limit, unavailable } : { limit, unavailable: new Set([...unavailable, node]) }
}

const named = 3

/** The first names, and how many more there are. */
export function list(names: readonly string[] | ReadonlySet<string>): string {
  const shown: string[] = []
  for (const name of names) if (shown.push(name) === named) break
  const more = ('size' in names ? names.size : names.length) - shown.length
  return more > 0 ? `${shown.join(', ')} and ${more} more` : shown.join(', ')
}
