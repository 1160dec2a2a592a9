/** One run from a seed: faults, then rest, then people who put things right, then peace. */
import { annotations } from '../../../crds/protocol.ts'
import type { RuntimeProfile } from '../../../crds/types.gen.ts'
import { calm, disturb, putRight } from './faults.ts'
import { contentOf, Fleet, type FleetNode, type Mutant, originalTarget } from './fleet.ts'
import { type Entry, Invariants, type Violation } from './invariants.ts'
import { engineFile } from './machine.ts'
import { generator } from './schedule.ts'
import { disturbedUntilMs, type Fault, type Script } from './script.ts'
import { isTainted } from './taken.ts'

export interface Result {
  readonly violation: Violation | undefined
  readonly events: number
  readonly virtualMs: number
  readonly trace: readonly Entry[]
}

/** Nobody has written for so long: no single wait of the protocol is longer but for those that are asked about below. */
const quietMs = 45_000
const longestMs = 1_200_000
const lookMs = 5_000

export async function run(script: Script, mutant?: Mutant): Promise<Result> {
  const invariants = new Invariants()
  const fleet = new Fleet(script, invariants, mutant)
  invariants.fleet = fleet
  const undo = mutant?.install?.()
  const { random } = Math
  // What draws without being given a generator draws from the seed, too.
  Math.random = generator(script.seed * 31 + 7)
  try {
    await new World(fleet, invariants).play()
  } finally {
    Math.random = random
    undo?.()
  }
  // The real event loop turns once: weak references of this run are let go of.
  await new Promise(setImmediate)
  const { nowMs, count } = fleet.schedule
  return { violation: invariants.violation, events: count, virtualMs: nowMs, trace: invariants.trace }
}

/** Faults by which a controller learns late of what happens, or writes late. */
const rough: readonly Fault['kind'][] = [
  'operator dies',
  'operator pauses',
  'partition',
  'lag',
  'watches break',
  'API away',
  'API overloaded',
]

class World {
  readonly #fleet: Fleet
  readonly #invariants: Invariants

  constructor(fleet: Fleet, invariants: Invariants) {
    this.#fleet = fleet
    this.#invariants = invariants
  }

  async play(): Promise<void> {
    const { schedule, script } = this.#fleet
    this.#fleet.start()
    for (const { atMs, ...fault } of script.faults) {
      schedule.at(atMs, undefined, () => {
        this.#invariants.note('fault', () => JSON.stringify(fault))
        if (rough.includes(fault.kind))
          this.#invariants.roughUntilMs = Math.max(this.#invariants.roughUntilMs, this.#endOf(fault))
        disturb(this.#fleet, fault)
      })
    }
    const isShort = script.faults.length === 0
    if (!(await this.#until(isShort ? 10_000 : disturbedUntilMs))) return
    calm(this.#fleet)
    this.#invariants.note('fault', () => 'everything that disturbs has ended')
    if (!(await this.#rest('after the faults'))) return
    this.#explained()
    putRight(this.#fleet)
    this.#invariants.note('fault', () => 'people have put things right')
    if (!(await this.#rest('after people put things right'))) return
    this.#converged()
    const { requests } = this.#invariants
    await this.#until(schedule.nowMs + 130_000)
    const more = this.#invariants.requests - requests
    if (more > 0) this.#invariants.fail('idle', `${more} writes in a fleet that has converged`)
  }

  #endOf(fault: Fault): number {
    // Counted in writes, it may begin any time later.
    if ('writes' in fault && fault.writes > 0) return disturbedUntilMs
    return this.#fleet.schedule.nowMs + ('forMs' in fault ? fault.forMs : 0)
  }

  /** False when an invariant was violated. */
  async #until(untilMs: number): Promise<boolean> {
    await this.#fleet.schedule.run(untilMs, () => this.#invariants.violation !== undefined)
    return this.#invariants.violation === undefined
  }

  async #rest(when: string): Promise<boolean> {
    const { schedule } = this.#fleet
    const startMs = schedule.nowMs
    while (!this.#isResting(startMs)) {
      if (schedule.nowMs - startMs > longestMs) {
        const unrest = this.#unrest()
        if (unrest.length > 0) this.#invariants.fail('liveness', `no rest ${when}: ${unrest.join('; ')}`)
        else this.#invariants.fail('idle', `no rest ${when}: nothing is left to be done, and writes go on`)
        return false
      }
      if (!(await this.#until(schedule.nowMs + lookMs))) return false
    }
    return true
  }

  #isResting(startMs: number): boolean {
    const { nowMs } = this.#fleet.schedule
    const lastMs = Math.max(startMs, this.#invariants.lastRequestMs)
    return nowMs - lastMs > quietMs && this.#unrest().length === 0
  }

  /** What must come to an end by itself. */
  #unrest(): string[] {
    const { nodes, api } = this.#fleet
    const profiles = api.list('runtimeprofiles') as unknown as RuntimeProfile[]
    return [
      ...nodes.filter(({ isGone }) => !isGone).flatMap((node) => this.#unrestOf(node)),
      ...profiles
        .filter((profile) => !isExplained(profile))
        .map(({ metadata, status }) => `profile ${metadata.name}: ${status?.message ?? 'no status'}`),
    ]
  }

  #unrestOf({ machine, plan: { name } }: FleetNode): string[] {
    if (!machine.isUp) return [`${name} is down`]
    const phase = machine.answer?.phase
    if (machine.isJournalOpen && phase !== 'Failed') return [`the journal of ${name} is open (${phase})`]
    const isMarked = this.#fleet.api.get('nodes', name)?.metadata.annotations?.[annotations.cordonedBy] !== undefined
    const isFailed = phase === 'Failed' && this.#fleet.runtime(name)?.status?.phase === 'Failed'
    return isMarked && !isFailed ? [`${name} is still cordoned`] : []
  }

  /** Ready, or a reason that is true. */
  #explained(): void {
    const profiles = this.#fleet.api.list('runtimeprofiles') as unknown as RuntimeProfile[]
    for (const profile of profiles) {
      const { metadata, status } = profile
      const ready = status?.conditions?.find(({ type }) => type === 'Ready')
      if (ready?.status === 'True') this.#isTrue(profile, profiles)
      if (ready?.reason !== 'MaxUnavailable') continue
      const isOut = this.#fleet.api.list('nodes').some((node) => node.spec?.['unschedulable'] || isTainted(node))
      if (!isOut) this.#invariants.fail('liveness', `profile ${metadata.name} waits for nothing: ${status?.message}`)
    }
  }

  /** What a profile is Ready with is there. */
  #isTrue(profile: RuntimeProfile, profiles: readonly RuntimeProfile[]): void {
    for (const { machine, plan, isGone } of this.#fleet.nodes) {
      if (isGone || profileOf(plan.pool, profiles) !== profile) continue
      const [wanted, found] = [wantedBy(profile), machine.content(engineFile)]
      if (found !== wanted) {
        this.#invariants.fail('liveness', `profile ${profile.metadata.name} is Ready, and ${plan.name} runs "${found}"`)
      }
    }
  }

  #converged(): void {
    const { api, nodes } = this.#fleet
    const profiles = api.list('runtimeprofiles') as unknown as RuntimeProfile[]
    const problems = [
      ...profiles.flatMap(({ metadata, status }) => {
        const ready = status?.conditions?.find(({ type }) => type === 'Ready')
        return ready?.status === 'True' ? [] : [`profile ${metadata.name}: ${status?.message}`]
      }),
      ...nodes.filter(({ isGone }) => !isGone).flatMap((node) => this.#shortcomings(node, profiles)),
      ...api
        .list('migrationreports')
        .filter(({ status }) => status?.['completionTime'] === undefined)
        .map(({ metadata }) => `report ${metadata.name} never ends`),
    ]
    const [first] = problems
    if (first) this.#invariants.fail('liveness', `it did not converge: ${first}`)
  }

  #shortcomings({ machine, isForgotten, plan }: FleetNode, profiles: readonly RuntimeProfile[]): string[] {
    const { name, pool } = plan
    if (machine.isJournalOpen) return [`the journal of ${name} is open`]
    const node = this.#fleet.api.get('nodes', name)
    if (node && (node.spec?.['unschedulable'] || isTainted(node))) return [`${name} is not in service`]
    const profile = profileOf(pool, profiles)
    // No profile that is left knows of it: nobody can tell what it has to do with Drydock but its own agent.
    if (isForgotten && !profile) return []
    const wanted = profile ? wantedBy(profile) : contentOf(originalTarget)
    const found = machine.content(engineFile)
    return found === wanted ? [] : [`${name} runs "${found}" instead of "${wanted}"`]
  }
}

const profileOf = (pool: string, profiles: readonly RuntimeProfile[]): RuntimeProfile | undefined =>
  profiles.find(({ spec }) => spec.nodeSelector.matchExpressions?.[0]?.values?.includes(pool))

function wantedBy({ spec }: RuntimeProfile): string {
  return [spec.cgroupDriver, ...(spec.handlers ?? []).map(({ name }) => name).sort()].join(' ')
}

/** Reasons for which a rollout rightly waits for a person. */
const forPeople = ['Paused', 'MaxUnavailable', 'GateClosed', 'GateError']

function isExplained({ metadata, status }: RuntimeProfile): boolean {
  if (status?.observedGeneration !== metadata.generation) return false
  const is = (wanted: string): boolean =>
    status?.conditions?.some(({ type, status }) => type === wanted && status === 'True') ?? false
  const reason = status?.conditions?.find(({ type }) => type === 'Ready')?.reason ?? ''
  return is('Ready') || is('Stalled') || forPeople.includes(reason)
}
