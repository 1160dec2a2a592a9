/** One change of one node with one crash in it, and what came of it. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { NodeRuntime } from '../../crds/types.gen.ts'
import { engineOf } from '../moves/move.ts'
import { differences, imageOf } from '../moves/node-image.ts'
import { running } from '../moves/workload.ts'
import { type Bed, profileOf, until } from '../nodes/migration/bed.ts'
import { apply } from '../support/install.ts'
import { JournalWatch } from './journal.ts'
import { leaksOf } from './leaks.ts'
import type { CrashMove } from './moves.ts'
import { kill, type Victim } from './victims.ts'

export type Direction = 'there' | 'back'

export interface Crash {
  readonly victim: Victim
  /** The number of the record, from 1, at whose appearance it comes. */
  readonly point: number
}

export interface Outcome {
  readonly direction: Direction
  readonly crash?: Crash
  /** Name of the record at which the crash came; absent: the change ended before. */
  readonly at?: string
  /** Whether the victim ran at that moment. */
  readonly isHit: boolean
  /** Where the node ended. */
  readonly end: 'new' | 'old' | 'stuck'
  readonly leaks: readonly string[]
  /** What is wrong beyond leaks, as sentences. */
  readonly faults: readonly string[]
  readonly seconds: number
}

/** A node that is taken there and back again and again, and remembers what it was like at either end. */
export class Shuttle {
  readonly move: CrashMove
  readonly node: string
  readonly #bed: Bed
  readonly #profile: string
  readonly #images = new Map<'former' | 'target', readonly string[]>()
  #at: 'former' | 'target' = 'former'
  #tries = 0
  /** The profile is being deleted. */
  #isLeaving = false

  constructor(bed: Bed, move: CrashMove, node: string) {
    this.#bed = bed
    this.move = move
    this.node = node
    this.#profile = `crash-${node}`
  }

  get isThere(): boolean {
    return this.#at === 'target'
  }

  /**
   * The names of the records of a change that nothing disturbs; the node is at the other end then. Throws when even that
   * does not work: nothing could be learnt from crashes.
   */
  async undisturbed(): Promise<readonly string[]> {
    const { node } = this
    if (!this.#images.has(this.#at)) this.#images.set(this.#at, await imageOf(this.#bed, node))
    const watch = new JournalWatch(this.#bed.cluster, node)
    const { end, leaks, faults } = await this.#round(watch, undefined)
    watch.close()
    if (end !== 'new' || leaks.length + faults.length > 0) {
      throw new Error(
        `${this.move.name} ends in the ${end} state without any crash: ${[...faults, ...leaks].join('; ')}`,
      )
    }
    if (!this.#images.has(this.#at)) this.#images.set(this.#at, await imageOf(this.#bed, node))
    return watch.seen
  }

  /** A change, with a crash or after one. The node is at one of the ends afterwards, unless it is stuck. */
  async changed(crash?: Crash): Promise<Outcome> {
    const watch = new JournalWatch(this.#bed.cluster, this.node)
    try {
      return await this.#round(watch, crash)
    } finally {
      watch.close()
    }
  }

  async #round(watch: JournalWatch, crash: Crash | undefined): Promise<Outcome> {
    const began = Date.now()
    const direction: Direction = this.isThere ? 'back' : 'there'
    const over = new AbortController()
    // A machine that could not be started again ends the round as one that is stuck, and no other node's.
    const struck = crash && this.#strike(watch, crash, over.signal).catch(({ message }: Error) => message)
    const before = orderOf(await this.#runtime())
    await this.#begin(direction)
    const ended = await this.#ended(direction, before).catch(() => 'stuck' as const)
    over.abort()
    const told = await struck
    const [strike, broken] = typeof told === 'string' ? [undefined, told] : [told, undefined]
    const end = broken === undefined ? ended : 'stuck'
    if (end === 'new') this.#at = direction === 'there' ? 'target' : 'former'
    if (this.#at === 'former') this.#isLeaving = false
    const faults =
      end === 'stuck' ? [...(broken === undefined ? [] : [broken]), await this.#why()] : await this.#faults()
    return {
      direction,
      ...(crash && { crash }),
      ...(strike && { at: strike.at }),
      isHit: strike?.isHit ?? false,
      end,
      leaks: end === 'stuck' ? [] : await leaksOf(this.#bed.cluster, this.node),
      faults,
      seconds: (Date.now() - began) / 1000,
    }
  }

  async #strike(watch: JournalWatch, { victim, point }: Crash, over: AbortSignal) {
    const isReached = await Promise.race([
      watch.reaches(point).then(() => true),
      new Promise<false>((resolve) => over.addEventListener('abort', () => resolve(false))),
    ])
    if (!isReached) return undefined
    const { cluster } = this.#bed
    const isHit = await kill(cluster, this.node, victim)
    const at = watch.seen[point - 1] ?? ''
    if (victim === 'machine') await cluster.start(this.node)
    return { at, isHit }
  }

  async #begin(direction: Direction): Promise<void> {
    this.#tries += 1
    const bed = this.#bed
    if (direction === 'there') {
      const spec = { verify: { timeout: '90s' }, ...(await this.move.spec(bed)) }
      const profile = profileOf(this.#profile, [this.node], spec)
      const annotations = { 'drydock.dev/retry': String(this.#tries) }
      await apply(bed.cluster, { ...profile, metadata: { ...profile.metadata, annotations } })
      return
    }
    // Of a profile that stays, the annotation would order the target once more.
    const retry = ['annotate', 'runtimeprofile', this.#profile, `drydock.dev/retry=${this.#tries}`, '--overwrite']
    if (this.#isLeaving) await bed.kubectl(...retry)
    else await bed.kubectl('delete', 'runtimeprofile', this.#profile, '--wait=false')
    this.#isLeaving = true
  }

  /** Throws when it does not end. `before` is the order that the node had until now. */
  async #ended(direction: Direction, before: string): Promise<'new' | 'old'> {
    const { node } = this
    const end = await until(`the end of the change of ${node}`, () => this.#end(direction, before), stuckMs)
    await this.#bed.cluster.waitReady([node], 120_000)
    await until(`${node} in service`, async () => ((await this.#bed.node(node)).spec.unschedulable ? undefined : true))
    return end
  }

  async #end(direction: Direction, before: string): Promise<'new' | 'old' | undefined> {
    // Each look starts a kubectl, which takes from the node what it needs to get on.
    await sleep(1_000)
    const runtime = await this.#runtime()
    if (direction === 'back' && (await this.#isGone())) return 'new'
    const { phase } = runtime?.status ?? {}
    if (orderOf(runtime) === before || !isAnswered(runtime)) return undefined
    if (phase === 'Failed') throw new Error('it failed')
    if (phase === 'Committed' && direction === 'there') return 'new'
    return phase === 'RolledBack' || phase === 'Refused' ? 'old' : undefined
  }

  async #runtime(): Promise<NodeRuntime | undefined> {
    const { code, stdout } = await this.#bed.cluster.kubectl(['get', 'noderuntime', this.node, '-o', 'json'])
    return code === 0 ? (JSON.parse(stdout) as NodeRuntime) : undefined
  }

  async #isGone(): Promise<boolean> {
    return (await this.#bed.cluster.kubectl(['get', 'runtimeprofile', this.#profile])).code !== 0
  }

  async #faults(): Promise<readonly string[]> {
    const { from, to } = this.move
    const { node } = this
    const bed = this.#bed
    const wanted = this.isThere ? to : from
    // The kubelet has asked it once too early, and tells the API of the next time seconds later.
    const engine = await lasting(async () => {
      const engine = await engineOf(bed, node)
      return wanted.test(engine) ? [] : [`the Node says ${engine}`]
    })
    const known = this.#images.get(this.#at)
    // A kubelet that was killed, or has lost its engine, is started again by systemd after ten seconds.
    const image = known ? await lasting(async () => differences(known, await imageOf(bed, node))) : []
    const pods = await running(bed, node).then(
      () => [],
      (error: Error) => [error.message],
    )
    const { status } = (await this.#runtime()) ?? {}
    return [
      ...engine,
      ...image,
      ...pods,
      ...(status?.phase === 'Refused' ? [`refused: ${status.message}`] : []),
      ...(status?.verification?.passed === false ? ['its state is not proven'] : []),
      ...((await bed.node(node)).spec.unschedulable ? ['it is not in service'] : []),
    ]
  }

  async #why(): Promise<string> {
    const { spec, status } = (await this.#runtime()) ?? {}
    return `stuck at ${spec?.permit} ${status?.phase}: ${status?.message}`
  }
}

const stuckMs = 360_000
const lastingMs = 45_000

/** What is still wrong after a while. */
async function lasting(look: () => Promise<readonly string[]>): Promise<readonly string[]> {
  const giveUp = Date.now() + lastingMs
  for (;;) {
    const wrong = await look()
    if (wrong.length === 0 || Date.now() > giveUp) return wrong
    await sleep(1_000)
  }
}

const orderOf = (runtime: NodeRuntime | undefined): string =>
  runtime?.spec?.permit === 'Observe' ? '' : `${runtime?.spec?.revision} ${runtime?.spec?.attempt}`

function isAnswered(runtime: NodeRuntime | undefined): boolean {
  const { spec, status } = runtime ?? {}
  return status?.revision === spec?.revision && status?.attempt === spec?.attempt
}
