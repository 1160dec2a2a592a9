/** What must hold when a node starts although it need not: the pause, the window, the canaries and their soak. */
import { parseDuration } from '../../../crds/duration.ts'
import { originalRevision } from '../../../crds/protocol.ts'
import type { NodeRuntime, RuntimeProfile } from '../../../crds/types.gen.ts'
import type { Fleet } from './fleet.ts'
import type { Invariant } from './invariants.ts'
import { isOpenAt, type windowSpec } from './pace.ts'
import { Since } from './since.ts'
import { isTainted, isTaken, phaseOf } from './taken.ts'

type Rollout = NonNullable<RuntimeProfile['spec']['rollout']>

/** A node that an operator takes out of service, or whose engine it lets restart. */
export interface Starting {
  readonly name: string
  readonly profile: string
  /** Name of the operator. */
  readonly operator: string
  /** Every setting that the operator may have acted by. */
  readonly settings: readonly Rollout[]
  /** What happened before is known to every controller, in milliseconds. */
  readonly knownMs: number
  /** Whether the profile, and no other, selects the node. */
  readonly isMember: (node: string) => boolean
}

type Fail = (invariant: Invariant, message: string) => void

/** How far the clocks of two operators are apart. */
const skewMs = 20_000
const samplesMs = 5_000
/** An answer of before is good for two seconds, and what it allows takes a moment to be written. */
export const answerMs = 4_000

export class Pacing {
  readonly #fail: Fail
  readonly #gate = new Since()
  /** When the operator let a change commit, by NodeRuntime, revision and attempt. */
  readonly #committedMs = new Map<string, number>()
  /** The revision of each profile whose canaries have soaked: what befalls them later holds nobody back. */
  readonly #passed = new Map<string, string>()

  constructor(fail: Fail) {
    this.#fail = fail
  }

  committed(runtime: NodeRuntime, nowMs: number): void {
    this.#committedMs.set(keyOf(runtime), nowMs)
  }

  starting(fleet: Fleet, starting: Starting): void {
    const { name, settings, knownMs } = starting
    if (settings.length === 0) return
    if (settings.every(({ paused }) => paused)) this.#fail('pause', `${name} starts, and the rollout is paused`)
    // Nothing runs on a node that joins: it waits for no window.
    const isJoining = isTainted(fleet.api.get('nodes', name))
    if (
      !isJoining &&
      settings.every(({ window }) => window && isShut(fleet, starting, window as ReturnType<typeof windowSpec>))
    ) {
      this.#fail('window', `${name} starts outside the window of ${settings.at(-1)?.window?.cron}`)
    }
    if (settings.every(({ gates }) => gates?.length) && this.#gate.surely('gate', false, knownMs - answerMs)) {
      this.#fail('closed gate', `${name} starts, and the gate is closed`)
    }
    this.#canaries(fleet, starting)
  }

  /** A person opened or closed the gate, or took away what it asks about. */
  gated(isOpen: boolean, nowMs: number): void {
    this.#gate.set('gate', isOpen, nowMs)
  }

  /** Until enough nodes have run a revision for the time of its soak, no more than so many run it at all. */
  #canaries(fleet: Fleet, starting: Starting): void {
    const { name, profile, settings } = starting
    const revision = fleet.runtime(name)?.spec?.revision
    if (revision === undefined || revision === originalRevision || this.#passed.get(profile) === revision) return
    this.#passed.delete(profile)
    const canaries = settings.map(({ canary }) => canary)
    if (canaries.some((canary) => !canary)) return
    const exposed = exposedTo(fleet, starting, revision)
    const verdicts = canaries.map((canary) => {
      const wanted = Number(canary?.nodes ?? 1)
      const soakMs = parseDuration(canary?.soak ?? '0s')
      const soaked = exposed.filter((one) => this.#hasSoaked(fleet, starting, { runtime: one, soakMs })).length
      return { wanted, soaked, isCanary: exposed.length + 1 <= wanted }
    })
    if (verdicts.some(({ wanted, soaked }) => soaked >= wanted)) this.#passed.set(profile, revision)
    else if (!verdicts.some(({ isCanary }) => isCanary)) {
      const names = exposed.map(({ metadata }) => metadata.name).join(', ')
      const { wanted, soaked } = verdicts.at(-1)!
      this.#fail('canary', `${name} starts beside ${names}, and ${soaked} of ${wanted} canaries have soaked`)
    }
  }

  #hasSoaked(
    { schedule: { nowMs } }: Fleet,
    { knownMs }: Starting,
    { runtime, soakMs }: { runtime: NodeRuntime; soakMs: number },
  ): boolean {
    const committedMs = this.#committedMs.get(keyOf(runtime)) ?? Number.POSITIVE_INFINITY
    return nowMs - committedMs >= soakMs - skewMs - (nowMs - knownMs)
  }
}

/** Other nodes of the profile that run this revision, or try to. */
function exposedTo({ api }: Fleet, { name, profile, isMember }: Starting, revision: string): NodeRuntime[] {
  return (api.list('noderuntimes') as unknown as NodeRuntime[]).filter((runtime) => {
    const { metadata, spec } = runtime
    const node = api.get('nodes', metadata.name)
    const isOwn = spec?.profile === profile && spec.revision === revision && isMember(metadata.name)
    const isThere = metadata.name !== name && node?.metadata.uid === spec?.nodeUID
    return isOwn && isThere && (phaseOf(runtime) === 'Committed' || isTaken(node, runtime))
  })
}

const keyOf = ({ metadata, spec }: NodeRuntime): string => `${metadata.uid}/${spec?.revision}/${spec?.attempt}`

/** All the time since what an operator surely knows, by its own clock. */
function isShut(
  { schedule, replicas }: Fleet,
  { operator, knownMs }: Starting,
  window: ReturnType<typeof windowSpec>,
): boolean {
  const { skewMs = 0 } = replicas.find(({ name }) => name === operator)?.time ?? {}
  for (let ms = knownMs; ms < schedule.nowMs; ms += samplesMs) {
    if (isOpenAt(window, new Date(schedule.epochMs + skewMs + ms))) return false
  }
  return !isOpenAt(window, new Date(schedule.epochMs + skewMs + schedule.nowMs))
}
