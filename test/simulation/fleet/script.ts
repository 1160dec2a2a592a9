/** What goes wrong, when, and what people do meanwhile: data, so that a failing seed can be run again with less of it. */
import { type Pace, type PaceEdit, pacedOf } from './pace.ts'
import { generator, type Random } from './schedule.ts'

export type Fault =
  | { readonly kind: 'operator dies'; readonly replica: number; readonly writes: number; readonly downMs: number }
  | { readonly kind: 'operator pauses'; readonly replica: number; readonly forMs: number; readonly writes: number }
  | { readonly kind: 'courier dies'; readonly node: number }
  | { readonly kind: 'engine dies'; readonly node: number; readonly writes: number }
  | { readonly kind: 'power cut'; readonly node: number; readonly forMs: number }
  | { readonly kind: 'partition'; readonly of: string; readonly way: 'out' | 'in' | 'both'; readonly forMs: number }
  | { readonly kind: 'lag'; readonly of: string; readonly lagMs: number; readonly forMs: number }
  | { readonly kind: 'watches break'; readonly of: string; readonly compact: boolean }
  | { readonly kind: 'API away' | 'API overloaded'; readonly forMs: number }
  | { readonly kind: 'trouble'; readonly node: number; readonly trouble: string; readonly forMs: number }
  | { readonly kind: 'budget'; readonly node: number; readonly forMs: number }
  | { readonly kind: 'cordon' | 'uncordon'; readonly node: number }
  | { readonly kind: 'kubelet away'; readonly node: number; readonly forMs: number }
  | { readonly kind: 'node'; readonly node: number; readonly becomes: 'gone' | 'replaced' | 'registered anew' | 'back' }
  /** Null: what it asks about is gone. */
  | { readonly kind: 'gate'; readonly open: boolean | null }
  | { readonly kind: 'edit'; readonly profile: string; readonly change: Edit }
  | { readonly kind: 'clock'; readonly of: number; readonly byMs: number }
  | { readonly kind: 'drift'; readonly node: number; readonly times: number; readonly everyMs: number }
  | { readonly kind: 'old order'; readonly node: number; readonly which: number }

export type Edit =
  | { readonly target: number }
  | { readonly limit: number | string }
  | { readonly paused: boolean }
  | { readonly pools: readonly string[] }
  | { readonly retry: string }
  | { readonly abort: boolean }
  | { readonly create: number; readonly pools: readonly string[] }
  | PaceEdit
  | 'delete'

export type Planned = Fault & { readonly atMs: number }

export interface NodePlan {
  readonly name: string
  readonly pool: string
  readonly controlPlane: boolean
  readonly change: 'Restart' | 'DrainRestart'
  readonly pods: number
  readonly skewMs: number
}

export interface ProfilePlan {
  readonly name: string
  readonly atMs: number
  readonly target: number
  readonly pools: readonly string[]
}

export interface Script {
  readonly seed: number
  readonly nodes: readonly NodePlan[]
  readonly profiles: readonly ProfilePlan[]
  readonly limit: number | string
  readonly failureBudget: number
  readonly pace: Pace
  /** What the clocks show at the start, in milliseconds since 1970. */
  readonly startMs: number
  readonly faults: readonly Planned[]
}

/** When everything that disturbs has begun, and ended. */
export const faultsEndMs = 200_000
export const disturbedUntilMs = 260_000

interface Draw {
  readonly random: Random
  readonly count: number
  readonly pick: <T>(values: readonly T[]) => T
  readonly to: (limit: number) => number
}

const replica = ({ to }: Draw): number => to(2)
const node = ({ to, count }: Draw): number => to(count)
const actor = (draw: Draw): string =>
  draw.random() < 0.5 ? `operator-${draw.to(2)}` : `${draw.pick(['courier', 'kubelet'])}-${node(draw)}`
const troubles = ['engine does not start', 'proof fails', 'kubelet is not healthy', 'refuses', 'former broken'] as const
const poolsOf = ({ pick }: Draw): readonly string[] => pick([['a'], ['a', 'b'], ['b']])
const profile = ({ pick }: Draw): string => pick(['one', 'one', 'two'])

/** How likely each is, and what it looks like. */
const kinds: readonly (readonly [number, (draw: Draw) => Fault])[] = [
  [5, (d) => ({ kind: 'operator dies', replica: replica(d), writes: d.to(6), downMs: 500 + d.to(20_000) })],
  [5, (d) => ({ kind: 'operator pauses', replica: replica(d), forMs: 2_000 + d.to(80_000), writes: d.to(4) })],
  [3, (d) => ({ kind: 'courier dies', node: node(d) })],
  [8, (d) => ({ kind: 'engine dies', node: node(d), writes: 1 + d.to(24) })],
  [5, (d) => ({ kind: 'power cut', node: node(d), forMs: 5_000 + d.to(40_000) })],
  [6, (d) => ({ kind: 'partition', of: actor(d), way: d.pick(['out', 'in', 'both']), forMs: 5_000 + d.to(60_000) })],
  [5, (d) => ({ kind: 'lag', of: actor(d), lagMs: 500 + d.to(9_000), forMs: 60_000 })],
  [3, (d) => ({ kind: 'watches break', of: actor(d), compact: d.random() < 0.5 })],
  [2, (d) => ({ kind: d.pick(['API away', 'API overloaded'] as const), forMs: 2_000 + d.to(30_000) })],
  [6, (d) => ({ kind: 'trouble', node: node(d), trouble: troubleOf(d), forMs: 20_000 + d.to(120_000) })],
  [3, (d) => ({ kind: 'budget', node: node(d), forMs: 10_000 + d.to(80_000) })],
  [5, (d) => ({ kind: d.pick(['cordon', 'cordon', 'uncordon'] as const), node: node(d) })],
  [4, (d) => ({ kind: 'kubelet away', node: node(d), forMs: 10_000 + d.to(80_000) })],
  [
    5,
    (d) => ({ kind: 'node', node: node(d), becomes: d.pick(['gone', 'replaced', 'registered anew', 'back'] as const) }),
  ],
  [12, (d) => ({ kind: 'edit', profile: profile(d), change: editOf(d) })],
  [2, (d) => ({ kind: 'clock', of: node(d), byMs: d.pick([-3_600_000, 3_600_000, -5_000, 5_000]) })],
  [2, (d) => ({ kind: 'old order', node: node(d), which: d.to(8) })],
]
const total = kinds.reduce((sum, [weight]) => sum + weight, 0)

/** A former state that is broken too is rare: most runs end in it. */
function troubleOf({ random, pick }: Draw): string {
  return random() < 0.1 ? 'former broken' : pick(troubles.slice(0, 4))
}

/** One draw, so that the scripts of seeds that are known stay as they are. */
function pleaOf(drawn: number): Edit {
  return drawn < 350 ? { abort: drawn < 220 } : { retry: String(drawn) }
}

function editOf(draw: Draw): Edit {
  const { pick, to, random } = draw
  const edits: readonly (() => Edit)[] = [
    () => ({ target: to(3) }),
    () => ({ target: to(3) }),
    () => ({ limit: pick<number | string>([1, 2, '50%']) }),
    () => ({ paused: random() < 0.4 }),
    () => ({ pools: poolsOf(draw) }),
    () => pleaOf(to(1000)),
    () => ({ create: to(3), pools: poolsOf(draw) }),
    () => 'delete',
  ]
  return pick(edits)()
}

function faultOf(draw: Draw): Fault {
  let left = draw.random() * total
  for (const [weight, make] of kinds) {
    left -= weight
    if (left < 0) return make(draw)
  }
  return kinds[0]![1](draw)
}

/** A target that no node can run: the failure budget must hold it up. */
function everywhere(draw: Draw): Planned[] {
  const trouble = draw.pick(troubles.slice(0, 4))
  const forMs = 60_000 + draw.to(120_000)
  return Array.from({ length: draw.count }, (_, node) => ({ kind: 'trouble', node, trouble, forMs, atMs: 3_500 }))
}

/** An order of a leader before arrives after the next one has given its own. From numbers of its own, as the pace is. */
function belated(seed: number, count: number): Planned[] {
  const random = generator(seed * 7001 + 5)
  const to = (limit: number): number => Math.floor(random() * limit)
  if (random() >= 0.1) return []
  const diesMs = 10_000 + to(60_000)
  return [
    { kind: 'operator dies', replica: 0, writes: 0, downMs: 60_000, atMs: diesMs },
    { kind: 'edit', profile: 'one', change: { target: to(3) }, atMs: diesMs + to(30_000) },
    { kind: 'old order', node: to(count), which: to(8), atMs: diesMs + 40_000 + to(60_000) },
  ]
}

/** Disruption budgets that are closed from the beginning. */
function guarded(seed: number, count: number): Planned[] {
  const random = generator(seed * 4001 + 3)
  const to = (limit: number): number => Math.floor(random() * limit)
  const length = random() < 0.1 ? 1 + to(count) : 0
  return Array.from({ length }, () => ({
    kind: 'budget',
    node: to(count),
    forMs: 20_000 + to(90_000),
    atMs: 2_000 + to(3_000),
  }))
}

/** A machine takes the place of one that is in the middle of its change, under the same name. */
function replaced(seed: number, count: number): Planned[] {
  const random = generator(seed * 2003 + 13)
  const to = (limit: number): number => Math.floor(random() * limit)
  if (random() >= 0.06) return []
  return [{ kind: 'node', node: to(Math.min(2, count)), becomes: 'replaced', atMs: 5_000 + to(10_000) }]
}

/** Another tool writes the same files, once or time and again. */
function drifting(seed: number, count: number): { repairs: boolean; faults: Planned[] } {
  const random = generator(seed * 3001 + 11)
  const to = (limit: number): number => Math.floor(random() * limit)
  const length = random() < 0.15 ? 1 + to(2) : 0
  const faults = Array.from(
    { length },
    (): Planned => ({
      kind: 'drift',
      node: to(count),
      times: random() < 0.7 ? 1 : 2 + to(3),
      everyMs: 25_000 + to(40_000),
      atMs: 20_000 + to(faultsEndMs - 20_000),
    }),
  )
  return { repairs: length > 0 && random() < 0.7, faults }
}

/** A gate that closes and opens meanwhile, and what it asks about may be gone. From numbers of its own, too. */
function gated(seed: number): { gate: boolean; faults: Planned[] } {
  const random = generator(seed * 5003 + 7)
  const gate = random() < 0.1
  const faults = Array.from({ length: gate ? 1 + Math.floor(random() * 4) : 0 }, (): Planned => {
    const drawn = random()
    const open = drawn < 0.45 ? false : drawn < 0.85 ? true : null
    return { kind: 'gate', open, atMs: 3_000 + Math.floor(random() * (random() < 0.5 ? 30_000 : faultsEndMs)) }
  })
  return { gate, faults }
}

export function scriptOf(seed: number): Script {
  const random = generator(seed)
  const to = (limit: number): number => Math.floor(random() * limit)
  const pick = <T>(values: readonly T[]): T => values[to(values.length)]!
  const count = 2 + to(4)
  const controlPlane = count > 3 ? to(3) : to(2)
  const nodes = Array.from({ length: count }, (_, index): NodePlan => {
    const isControlPlane = index >= count - controlPlane
    return {
      name: `${isControlPlane ? 'cp' : 'worker'}-${index}`,
      pool: random() < 0.75 ? 'a' : 'b',
      controlPlane: isControlPlane,
      change: random() < 0.75 ? 'DrainRestart' : 'Restart',
      pods: to(3),
      skewMs: pick([0, 0, 0, 30_000, -30_000, 3_600_000]),
    }
  })
  const draw = { random, count, pick, to }
  const one = { name: 'one', atMs: 4_000, target: 0, pools: random() < 0.5 ? ['a', 'b'] : ['a'] }
  const two = { name: 'two', atMs: 4_000 + to(60_000), target: to(3), pools: poolsOf(draw) }
  const bad = random() < 0.15 ? everywhere(draw) : []
  const faults = Array.from({ length: to(12) }, () => ({
    ...faultOf(draw),
    atMs: 4_000 + to(random() < 0.5 ? 40_000 : faultsEndMs),
  }))
  const { pace, startMs, edits } = pacedOf(seed, faultsEndMs)
  const { gate, faults: gates } = gated(seed)
  const { repairs, faults: drifts } = drifting(seed, count)
  const paced = edits.map(({ change, atMs }): Planned => ({ kind: 'edit', profile: 'one', change, atMs }))
  return {
    seed,
    nodes,
    profiles: random() < 0.2 ? [one, two] : [one],
    limit: pick<number | string>([1, 1, 2, '50%']),
    failureBudget: pick([1, 1, 2]),
    pace: { ...pace, ...(gate && { gate }), ...(repairs && { repairs }) },
    startMs,
    faults: [
      ...bad,
      ...faults,
      ...paced,
      ...belated(seed, count),
      ...gates,
      ...guarded(seed, count),
      ...drifts,
      ...replaced(seed, count),
    ].sort((a, b) => a.atMs - b.atMs),
  }
}
