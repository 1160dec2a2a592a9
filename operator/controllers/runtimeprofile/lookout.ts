/** What was looked at because nodes could start, and when. Lost in a restart and asked again. */
import type { RuntimeProfile } from '../../../crds/types.gen.ts'
import type { KubeClient } from '../../../kube/client.ts'
import type { Clock } from '../../../kube/clock.ts'
import type { Metrics } from '../../../kube/metrics.ts'
import { gateAnswers } from '../../metrics.ts'
import { evictionMilliseconds, freeMilliseconds, gateMilliseconds } from '../../rollout/looks.ts'
import type { Look, Question, Reason } from '../../rollout/types.ts'
import { lookAtEvictions } from '../drain/evictions.ts'
import type { DrainOptions } from '../drain/plan.ts'
import { askGates } from '../gates/ask.ts'
import { GateObjects } from '../gates/objects.ts'

export interface LookoutOptions {
  readonly client: Pick<KubeClient, 'get' | 'list' | 'discover'>
  readonly clock: Clock
  readonly metrics: Metrics
}

interface Answer {
  /** Of the rules that it was asked by: others make it void. */
  readonly rules: string
  readonly why: Reason | undefined
  atMs: number
}

type Evictions = Extract<Question, { ask: 'evictions' }>

/** Nodes that are looked at for the first time in one go, and those that are looked at once more. */
const mostNew = 32
const mostRepeated = 4
/** Answers of nodes that nobody asks about any more are dropped after so long. */
const forgetMs = 3_600_000

export class Lookout {
  readonly #options: LookoutOptions
  readonly #objects: GateObjects
  readonly #gates = new Map<string, Answer>()
  readonly #evictions = new Map<string, Answer>()
  /** When nodes of a profile were last looked at once more. */
  readonly #repeatedAtMs = new Map<string, number>()

  constructor(options: LookoutOptions) {
    this.#options = options
    this.#objects = new GateObjects(options.client)
  }

  gates(profile: RuntimeProfile): Look | undefined {
    const answer = this.#gates.get(profile.metadata.name)
    return answer?.rules === gateRules(profile) ? this.#look(answer, gateMilliseconds) : undefined
  }

  evictions(node: string): Look | undefined {
    const answer = this.#evictions.get(node)
    return answer && this.#look(answer, evictionMilliseconds)
  }

  /** Answers some of the questions. False when no answer is another than before: the plan stands. */
  async ask(profile: RuntimeProfile, questions: readonly Question[]): Promise<boolean> {
    const fromMs = this.#nowMs()
    const isOfGates = questions.some(({ ask }) => ask === 'gates')
    const isNews = await (isOfGates ? this.#askGates(profile) : this.#askEvictions(profile, questions))
    extend(isOfGates ? this.#evictions : this.#gates, this.#nowMs() - fromMs)
    return isNews
  }

  async #askEvictions(profile: RuntimeProfile, questions: readonly Question[]): Promise<boolean> {
    const asked = questions.filter((question): question is Evictions => question.ask === 'evictions')
    const nodes = this.#choose(profile.metadata.name, asked)
    if (nodes.length === 0) return false
    const found = await lookAtEvictions(this.#options.client, nodes, drainOptions(profile))
    const atMs = this.#nowMs()
    let isNews = false
    for (const [node, why] of found) {
      const former = this.#evictions.get(node)
      isNews ||= former?.why?.message !== why?.message || why === undefined
      this.#evictions.set(node, { rules: '', why, atMs })
    }
    return isNews
  }

  forget(profile: string): void {
    this.#gates.delete(profile)
    this.#repeatedAtMs.delete(profile)
    for (const [node, { atMs }] of this.#evictions) {
      if (this.#nowMs() - atMs > forgetMs) this.#evictions.delete(node)
    }
  }

  async #askGates(profile: RuntimeProfile): Promise<boolean> {
    const why = await askGates(profile, this.#objects)
    const result = why === undefined ? 'open' : why.reason === 'GateClosed' ? 'closed' : 'error'
    this.#options.metrics.add(gateAnswers, { profile: profile.metadata.name, result })
    this.#gates.set(profile.metadata.name, { rules: gateRules(profile), why, atMs: this.#nowMs() })
    return true
  }

  /** Who was never looked at comes first; then the oldest answers, a few every so often. */
  #choose(profile: string, questions: readonly Evictions[]): string[] {
    const fresh = questions.filter(({ isRepeated }) => !isRepeated).map(({ node }) => node)
    if (fresh.length > 0) return fresh.slice(0, mostNew)
    const nowMs = this.#nowMs()
    if (nowMs - (this.#repeatedAtMs.get(profile) ?? Number.NEGATIVE_INFINITY) < evictionMilliseconds / 2) return []
    this.#repeatedAtMs.set(profile, nowMs)
    const age = (node: string): number => this.#evictions.get(node)?.atMs ?? 0
    const nodes = questions.map(({ node }) => node)
    return nodes.sort((a, b) => age(a) - age(b)).slice(0, mostRepeated)
  }

  #look({ why, atMs }: Answer, heldMilliseconds: number): Look {
    const milliseconds = why === undefined ? freeMilliseconds : heldMilliseconds
    return { why, freshMilliseconds: Math.max(0, atMs + milliseconds - this.#nowMs()) }
  }

  #nowMs(): number {
    return this.#options.clock.monotonicMs()
  }
}

/**
 * A yes does not grow old while the other question is asked: two that are slow to answer would outdate each other, and
 * nothing would ever start.
 */
function extend(answers: ReadonlyMap<string, Answer>, milliseconds: number): void {
  for (const answer of answers.values()) if (answer.why === undefined) answer.atMs += milliseconds
}

const gateRules = ({ metadata, spec }: RuntimeProfile): string => JSON.stringify([metadata.uid, spec.rollout?.gates])

export function drainOptions({ spec }: RuntimeProfile): DrainOptions {
  const { deleteEmptyDirData = false, deleteUnmanagedPods = false } = spec.rollout?.drain ?? {}
  return { deleteEmptyDirData, deleteUnmanagedPods }
}
