/**
 * How long a rollout of a thousand nodes takes, next to one whose places are always full. The real operator, couriers
 * and node engines in the simulated cluster of test/simulation, under its clock: what is measured is what they wait
 * for, not how fast this machine is.
 */
import { fork } from 'node:child_process'
import process from 'node:process'
import { simplifyAborts } from '../simulation/fleet/abort.ts'
import type { Written } from '../simulation/fleet/api.ts'
import { Fleet, type Watcher } from '../simulation/fleet/fleet.ts'
import type { NodePlan, Script } from '../simulation/fleet/script.ts'
import { markOf } from '../simulation/fleet/taken.ts'
import type { Row } from './bar.ts'

const nodeCount = 1_000
const places = 100
/** From the eviction of a pod to its end. */
const podEndMs = 2_000
/** By then every kubelet has registered its Node. */
const startMs = 60_000
const longestMs = 3_600_000
const lookMs = 1_000
const writesBar = 18

interface Rollout {
  readonly name: string
  readonly nodes: number
  readonly places: number
  /** Every so many-th node fails its proof and rolls back; 0: none. */
  readonly failsEvery: number
}

interface Measured {
  /** From the profile to the return of its last node. */
  readonly milliseconds: number
  /** For how long one node was out of service, on average. */
  readonly outMilliseconds: number
  readonly writes: number
  readonly changed: number
}

/** Watches from outside: when nodes go and come back, and what is written. */
class Observer implements Watcher {
  readonly #fleet: () => Fleet
  readonly #sinceMs = new Map<string, number>()
  outMs = 0
  writes = 0
  lastMs = 0
  readonly ended = new Set<string>()

  constructor(fleet: () => Fleet) {
    this.#fleet = fleet
  }

  written({ by, plural, before, after }: Written): void {
    const { schedule, api } = this.#fleet()
    const { nowMs } = schedule
    if (plural === 'pods' && after?.metadata.deletionTimestamp) {
      const { name } = after.metadata
      schedule.after(podEndMs, undefined, () => api.remove({ by: 'cluster', process: 'kubelet' }, 'pods', name))
    }
    const isOurs = by === 'operator' || by === 'courier'
    if (!isOurs || nowMs < startMs || plural === 'leases' || plural === 'pods') return
    this.writes++
    if (plural !== 'nodes' || !after) return
    const { name } = after.metadata
    if (markOf(after) && !markOf(before)) this.#sinceMs.set(name, nowMs)
    if (markOf(after) || !markOf(before)) return
    this.outMs += nowMs - this.#sinceMs.get(name)!
    this.lastMs = nowMs
    this.ended.add(name)
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

function scriptOf({ nodes, places }: Rollout): Script {
  const plan = (index: number): NodePlan => ({
    name: `worker-${String(index).padStart(4, '0')}`,
    pool: 'a',
    controlPlane: false,
    change: 'DrainRestart',
    pods: 2,
    skewMs: 0,
  })
  return {
    seed: 1,
    nodes: Array.from({ length: nodes }, (_, index) => plan(index)),
    profiles: [{ name: 'one', atMs: startMs, target: 0, pools: ['a'] }],
    limit: places,
    failureBudget: nodes,
    pace: {},
    startMs: Date.UTC(2026, 2, 1),
    faults: [],
  }
}

async function measure(rollout: Rollout): Promise<Measured> {
  const observer: Observer = new Observer(() => fleet)
  const fleet = new Fleet(scriptOf(rollout), observer, undefined)
  const failing = fleet.nodes.filter((_, index) => rollout.failsEvery > 0 && index % rollout.failsEvery === 0)
  for (const { machine } of failing) machine.trouble('proof fails', Number.POSITIVE_INFINITY)
  fleet.start()
  const isOver = (): boolean => observer.ended.size === rollout.nodes
  for (let ms = startMs; !isOver(); ms += lookMs) {
    if (ms > longestMs) throw new Error(`${observer.ended.size} of ${rollout.nodes} nodes are done after an hour`)
    await fleet.schedule.run(ms, isOver)
  }
  const changed = fleet.nodes.filter(({ machine }) => !machine.isOriginal).length
  if (changed !== rollout.nodes - failing.length) throw new Error(`${changed} nodes run the target`)
  const { lastMs, outMs, writes } = observer
  return { milliseconds: lastMs - startMs, outMilliseconds: outMs / rollout.nodes, writes, changed }
}

/** One node at a time: nobody waits for anybody. */
const alone: Rollout = { name: 'one at a time', nodes: 30, places: 1, failsEvery: 0 }
const whole: Rollout = { name: 'no node fails', nodes: nodeCount, places, failsEvery: 0 }
const failing: Rollout = { name: '2% of the nodes fail', nodes: nodeCount, places, failsEvery: 50 }

async function rows(): Promise<readonly Row[]> {
  const { outMilliseconds } = await measure(alone)
  const yardstick = ((nodeCount / places) * outMilliseconds) / 1000
  const row = async (rollout: Rollout, efficiency: number): Promise<readonly Row[]> => {
    const before = process.cpuUsage()
    const { milliseconds, writes } = await measure(rollout)
    const { user, system } = process.cpuUsage(before)
    const ours = milliseconds / 1000
    const note =
      `${nodeCount} simulated nodes, ${places} at once, each out of service for ${(outMilliseconds / 1000).toFixed(1)} s when alone; ` +
      `${(yardstick / ours).toFixed(3)} of the ideal, at least ${efficiency}; took ${((user + system) / 1e6).toFixed(0)} s of CPU`
    return [
      {
        name: `convergence, ${rollout.name}`,
        ours,
        unit: 's',
        yardstick,
        ratio: ours / yardstick,
        bar: 1 / efficiency,
        note,
      },
      {
        name: `writes per node, ${rollout.name}`,
        ours: writes / nodeCount,
        unit: '',
        bar: writesBar,
        note: `${writes} in the same rollout, with Events; evictions and leases aside`,
      },
    ]
  }
  return [...(await row(whole, 0.95)), ...(await row(failing, 0.85))]
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
  const measured = await rows()
  if (process.send) process.send(measured, () => process.disconnect())
  else console.log(JSON.stringify(measured, null, 2))
}
