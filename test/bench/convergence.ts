/**
 * How long a rollout of a thousand nodes takes, next to a schedule without a gap. The real operator, couriers and node
 * engines in the simulated cluster of test/simulation, under its clock: what is measured is what they wait for, not how
 * fast this machine is.
 */
import { fork } from 'node:child_process'
import process from 'node:process'
import { parseArgs } from 'node:util'
import { simplifyAborts } from '../simulation/fleet/abort.ts'
import type { Who, Written } from '../simulation/fleet/api.ts'
import { Fleet, type Watcher } from '../simulation/fleet/fleet.ts'
import { generator } from '../simulation/fleet/schedule.ts'
import type { NodePlan, Script } from '../simulation/fleet/script.ts'
import { markOf } from '../simulation/fleet/taken.ts'
import type { Row } from './bar.ts'
import { type Alone, bound, ideal, type Size } from './ideal-schedule.ts'

const defaultNodes = 1_000
/** From the eviction of a pod to its end. */
const podEndMs = 2_000
/** By then every kubelet has registered its Node. */
const startMs = 60_000
const longestMs = 3_600_000
const lookMs = 1_000
const writesBar = 18

interface Rollout extends Size {
  readonly name: string
  /** Every so many-th node fails its proof and rolls back; 0: none. */
  readonly failsEvery: number
}

interface Measured {
  /** From the profile to the return of its last node. */
  readonly milliseconds: number
  readonly alone: Alone
  readonly writes: number
}

/** Watches from outside: when nodes go and come back, and what is written. */
class Observer implements Watcher {
  readonly #fleet: () => Fleet
  readonly #sinceMs = new Map<string, number>()
  firstMs = Number.POSITIVE_INFINITY
  lastMs = 0
  writes = 0
  /** For how long each node was out of service. */
  readonly outMs = new Map<string, number>()

  constructor(fleet: () => Fleet) {
    this.#fleet = fleet
  }

  requested(_: Who, plural: string): void {
    const { nowMs } = this.#fleet().schedule
    if (nowMs >= startMs && plural !== 'leases' && plural !== 'pods') this.writes++
  }

  written({ plural, before, after }: Written): void {
    const { schedule, api } = this.#fleet()
    const { nowMs } = schedule
    if (plural === 'pods' && after?.metadata.deletionTimestamp) {
      const { name } = after.metadata
      schedule.after(podEndMs, undefined, () => api.remove({ by: 'cluster', process: 'kubelet' }, 'pods', name))
    }
    if (plural !== 'nodes' || !after) return
    const { name } = after.metadata
    if (markOf(after) && !markOf(before)) this.#sinceMs.set(name, nowMs)
    if (markOf(after)) this.firstMs = Math.min(this.firstMs, nowMs)
    if (markOf(after) || !markOf(before)) return
    this.outMs.set(name, nowMs - this.#sinceMs.get(name)!)
    this.lastMs = nowMs
  }

  told(): void {
    this.writes++
  }

  seen(): void {}
  opened(): void {}
  closed(): void {}
  booted(): void {}
  accepted(): void {}
  says(): void {}
}

function scriptOf({ nodes, places }: Size, seed: number): Script {
  const plan = (index: number): NodePlan => ({
    name: `worker-${String(index).padStart(4, '0')}`,
    pool: 'a',
    controlPlane: false,
    change: 'DrainRestart',
    pods: 2,
    skewMs: 0,
  })
  return {
    seed,
    nodes: Array.from({ length: nodes }, (_, index) => plan(index)),
    profiles: [{ name: 'one', atMs: startMs, target: 0, pools: ['a'] }],
    limit: places,
    failureBudget: nodes,
    pace: {},
    startMs: Date.UTC(2026, 2, 1),
    faults: [],
  }
}

async function measure(rollout: Rollout, seed = 1): Promise<Measured> {
  const observer: Observer = new Observer(() => fleet)
  const fleet = new Fleet(scriptOf(rollout, seed), observer, undefined)
  const failing = fleet.nodes.filter((_, index) => rollout.failsEvery > 0 && index % rollout.failsEvery === 0)
  for (const { machine } of failing) machine.trouble('proof fails', Number.POSITIVE_INFINITY)
  fleet.start()
  const { outMs } = observer
  const isOver = (): boolean => outMs.size === rollout.nodes
  for (let ms = startMs; !isOver(); ms += lookMs) {
    if (ms > longestMs) throw new Error(`${outMs.size} of ${rollout.nodes} nodes are done after an hour`)
    await fleet.schedule.run(ms, isOver)
  }
  const changed = fleet.nodes.filter(({ machine }) => !machine.isOriginal).length
  if (changed !== rollout.nodes - failing.length) throw new Error(`${changed} nodes run the target`)
  const { firstMs, lastMs, writes } = observer
  return {
    milliseconds: lastMs - startMs,
    alone: { preparing: firstMs - startMs, out: [...outMs.values()] },
    writes,
  }
}

/** One node at a time: nobody waits for anybody. */
const single: Rollout = { name: 'one at a time', nodes: 30, places: 1, failsEvery: 0 }
/** So often, that chance does not make the yardstick. */
const singles = 10

async function measureAlone(): Promise<Alone> {
  const all: Alone[] = []
  for (let seed = 1; seed <= singles; seed++) all.push((await measure(single, seed)).alone)
  return { preparing: Math.min(...all.map(({ preparing }) => preparing)), out: all.flatMap(({ out }) => out) }
}

type Yardstick = (size: Size, alone: Alone) => number

const idealOf: Yardstick = (size, alone) => ideal(size, alone, generator(1))

async function compared(
  rollout: Rollout,
  alone: Alone,
  { efficiency, yardstickOf }: { efficiency: number; yardstickOf: Yardstick },
): Promise<readonly Row[]> {
  const { name, nodes, places } = rollout
  const before = process.cpuUsage()
  const { milliseconds, writes } = await measure(rollout)
  const { user, system } = process.cpuUsage(before)
  const yardstick = yardstickOf(rollout, alone)
  const least = bound(rollout, alone)
  const part = (ms: number): string => (least / ms).toFixed(3)
  const note =
    `${nodes} simulated nodes, ${places} at once; ${(yardstick / milliseconds).toFixed(3)} of the ideal, at least ${efficiency}. With all places ` +
    `full to the end it would take ${(least / 1000).toFixed(1)} s: ours is at ${part(milliseconds)} of that, a schedule without ` +
    `any gap at ${part(idealOf(rollout, alone))}; took ${((user + system) / 1e6).toFixed(0)} s of CPU`
  const ratio = milliseconds / yardstick
  return [
    {
      name: `convergence, ${name}`,
      ours: milliseconds / 1000,
      unit: 's',
      yardstick: yardstick / 1000,
      ratio,
      bar: 1 / efficiency,
      note,
    },
    {
      name: `writes per node, ${name}`,
      ours: writes / nodes,
      unit: '',
      bar: writesBar,
      note: `${writes} in the same rollout, with Events; evictions and leases aside`,
    },
  ]
}

async function rows(nodes: number): Promise<readonly Row[]> {
  const alone = await measureAlone()
  const whole: Rollout = { name: 'no node fails', nodes, places: nodes / 10, failsEvery: 0 }
  const failing: Rollout = { ...whole, name: '2% of the nodes fail', failsEvery: 50 }
  /** Long enough for its end to weigh little. */
  const long: Rollout = { ...whole, name: 'no node fails, half the places', places: nodes / 20 }
  return [
    ...(await compared(whole, alone, { efficiency: 0.95, yardstickOf: idealOf })),
    ...(await compared(failing, alone, { efficiency: 0.85, yardstickOf: idealOf })),
    ...(await compared(long, alone, { efficiency: 0.95, yardstickOf: bound })),
  ]
}

/** In a process of its own: the simulation has its own signals, and keeps the event loop to itself. */
export function convergence(): Promise<readonly Row[]> {
  return new Promise((resolve, reject) => {
    const child = fork(import.meta.filename, { execArgv: ['--max-semi-space-size=32'] })
    child.once('message', (message) => resolve(message as readonly Row[]))
    child.once('error', reject)
    child.once('exit', (code) => reject(new Error(`the simulation ended early with ${code}`)))
  })
}

if (process.argv[1] === import.meta.filename) {
  simplifyAborts()
  const { values } = parseArgs({ options: { nodes: { type: 'string', default: String(defaultNodes) } } })
  const measured = await rows(Number(values.nodes))
  if (process.send) process.send(measured, () => process.disconnect())
  else console.log(JSON.stringify(measured, null, 2))
}
