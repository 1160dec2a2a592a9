/** What a rollout's time is held against. Pure. */

/** Nodes that wait for nobody, in milliseconds. */
export interface Alone {
  /** From the profile to the moment at which the first node goes out of service. */
  readonly preparing: number
  /** For how long each node was out of service. */
  readonly out: readonly number[]
}

export interface Size {
  readonly nodes: number
  readonly places: number
}

/** A rollout whose places are full to its end: no schedule is shorter. */
export function bound({ nodes, places }: Size, { out }: Alone): number {
  return Math.max(Math.max(...out), (nodes / places) * mean(out))
}

const draws = 20

/**
 * The time of a schedule that wastes nothing: each place is taken by the next node in the moment in which it is given back. It does
 * not know how long a node takes before it has taken that long, so that its places empty one after the other at the end:
 * nobody who has to find it out comes closer to the bound. Mean of several draws from the nodes that were alone.
 */
export function ideal(size: Size, alone: Alone, random: () => number): number {
  const { preparing, out } = alone
  const drawn = (): number => out[Math.floor(random() * out.length)] ?? 0
  // What was drawn is on the average what all of them took: one that drew short ones would be a shorter schedule.
  const times = Array.from({ length: draws }, () => {
    const nodes = Array.from({ length: size.nodes }, drawn)
    return (listed(nodes, size.places) * mean(out)) / mean(nodes)
  })
  return preparing + mean(times)
}

/** When the last place is given back. */
function listed(nodes: readonly number[], places: number): number {
  const free = new Array<number>(places).fill(0)
  for (const milliseconds of nodes) {
    const first = free.indexOf(Math.min(...free))
    free[first] = (free[first] ?? 0) + milliseconds
  }
  return Math.max(...free)
}

function mean(values: readonly number[]): number {
  if (values.length === 0) throw new Error('nothing was measured')
  return values.reduce((sum, value) => sum + value, 0) / values.length
}
