/**
 * Carries orders from the API to the node engine, and its answers back. It keeps nothing: after a start it asks the
 * engine first, for it usually died with the engine's own work.
 */
import type { NodeRuntime, NodeRuntimeSpec, NodeRuntimeStatus } from '../../crds/types.gen.ts'
import type { KubeClient } from '../../kube/client.ts'
import type { Clock } from '../../kube/clock.ts'
import { isNotFound } from '../../kube/errors.ts'
import type { Log } from '../../kube/log.ts'
import { Reflector } from '../../kube/reflector.ts'
import { backoffMs } from '../../kube/retry.ts'
import { type Engine, type EngineState, OrderRefused } from './engine-client.ts'
import { isWorthWriting, shortMoveMs } from './material.ts'
import { NodeRuntimes } from './resource.ts'
import { isMoving, isSettled } from './settled.ts'

export interface CourierOptions {
  /** Name of the node, and of its NodeRuntime. */
  readonly node: string
  /** The agent's image: the engine proves with it, because it is on every node. */
  readonly image: string
  readonly client: Pick<KubeClient, 'list' | 'watch' | 'apply'>
  readonly engine: Engine
  readonly clock: Clock
  readonly random: () => number
  readonly log: Log
}

/** How often an engine with nothing to do is woken to look whether a managed file has changed. */
const driftCheckMs = 600_000
const pollSeconds = 30
/** Between two exchanges while work is under way: the small steps of an engine come as one. */
const breathMs = 100
const backoff = { baseMs: 500, capMs: 30_000 }
export const fieldManager = 'drydock-agent'

/** Before the operator has written an order there is nothing to carry. */
type Ordered = NodeRuntime & { readonly spec: NodeRuntimeSpec }

/** What the engine was told last. */
interface Told {
  readonly uid: string | undefined
  readonly generation: number | undefined
  /** Of the engine that was told: another run may not remember. */
  readonly run: string
  readonly isRefused: boolean
}

export class Courier {
  readonly #options: CourierOptions
  readonly #reflector: Reflector<NodeRuntime>
  /** Aborted when the order changes: ends whatever the courier waits for. */
  #news = new AbortController()
  #told: Told | undefined
  #state: EngineState | undefined
  /** Since when the node has been seen moving, on the monotonic clock. */
  #movingSinceMs: number | undefined
  #written: { readonly uid: string | undefined; readonly status: NodeRuntimeStatus } | undefined

  constructor(options: CourierOptions) {
    this.#options = options
    const { client, node, clock, random, log } = options
    this.#reflector = new Reflector<NodeRuntime>({
      client,
      type: NodeRuntimes,
      options: { fieldSelector: `metadata.name=${node}` },
      onChange: () => this.#onChange(),
      clock,
      random,
      log,
    })
  }

  /** Works until the signal aborts. Never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, log, random } = this.#options
    const watching = this.#reflector.run(signal)
    for (let failures = 0; !signal.aborted; ) {
      this.#news = new AbortController()
      const news = AbortSignal.any([this.#news.signal, signal])
      let pauseMs: number
      try {
        pauseMs = await this.#round(news)
        failures = 0
      } catch (error) {
        if (news.aborted) continue
        log.warn('will try again', { error })
        pauseMs = backoffMs(++failures, backoff, random)
      }
      await clock.sleep(pauseMs, news)
    }
    await watching
  }

  /** One exchange with the engine, and a write when it brought news. Gives how long to wait for the next. */
  async #round(news: AbortSignal): Promise<number> {
    const order = this.#order()
    // A write that failed comes before anything that may wait.
    await this.#publish(order)
    this.#state = await this.#exchange(order, news)
    this.#movingSinceMs = isMoving(this.#state.status) ? (this.#movingSinceMs ?? this.#nowMs()) : undefined
    await this.#publish(order)
    return this.#isDone(order) ? driftCheckMs * (0.9 + 0.2 * this.#options.random()) : breathMs
  }

  async #exchange(order: Ordered | undefined, news: AbortSignal): Promise<EngineState> {
    const { engine } = this.#options
    const known = this.#state
    // Even before there is an order: a request tells an engine that has proven its node that its courier is back.
    if (!order || !known) return engine.state()
    if (this.#mustTell(order, known)) return this.#tell(order)
    // An engine that is off the node has no socket any more; the agent's pod goes next.
    if (this.#isDone(order)) return known.status.phase === 'Removed' ? known : engine.state()
    return engine.state({ known, waitSeconds: this.#waitSeconds(), signal: news })
  }

  #nowMs(): number {
    return this.#options.clock.monotonicMs()
  }

  #movedMs(): number {
    return this.#movingSinceMs === undefined ? 0 : this.#nowMs() - this.#movingSinceMs
  }

  /** No longer than until a move is worth a write. */
  #waitSeconds(): number {
    const leftMs = shortMoveMs - this.#movedMs()
    return this.#movingSinceMs !== undefined && leftMs > 0 ? Math.ceil(leftMs / 1000) : pollSeconds
  }

  #mustTell({ metadata, spec }: Ordered, known: EngineState): boolean {
    const told = this.#told
    if (!told || told.uid !== metadata.uid || told.generation !== metadata.generation) return true
    return told.run !== known.run && !told.isRefused && !isSettled(spec, known.status)
  }

  async #tell({ metadata, spec, status }: Ordered): Promise<EngineState> {
    const { engine, image, log } = this.#options
    const { uid, generation } = metadata
    const machineID = status?.machineID
    const order = { ...spec, image, generation: generation ?? 0, ...(machineID !== undefined && { machineID }) }
    const tell = async (): Promise<{ state: EngineState; isRefused: boolean }> => {
      try {
        return { state: await engine.put(order), isRefused: false }
      } catch (error) {
        if (!(error instanceof OrderRefused)) throw error
        log.warn('the engine refused the order', { error, generation })
        return { state: await engine.state(), isRefused: true }
      }
    }
    const { state, isRefused } = await tell()
    this.#told = { uid, generation, run: state.run, isRefused }
    log.info('order handed over', { permit: spec.permit, revision: spec.revision, attempt: spec.attempt, generation })
    return state
  }

  /** Whether only another order, or time, can bring news. */
  #isDone(order: Ordered | undefined): boolean {
    if (!order || !this.#state) return true
    const isTold = this.#told?.uid === order.metadata.uid && this.#told?.generation === order.metadata.generation
    return isTold && (this.#told?.isRefused === true || isSettled(order.spec, this.#state.status))
  }

  async #publish(order: Ordered | undefined): Promise<void> {
    if (!order || !this.#state) return
    const { client, log } = this.#options
    const { name, uid } = order.metadata
    const { status } = this.#state
    // The cache may be behind our own write; a NodeRuntime that was made anew has none of it.
    const written = this.#written?.uid === uid ? this.#written?.status : order.status
    if (!isWorthWriting(status, written, this.#movedMs())) return
    const answer = { apiVersion: order.apiVersion, kind: order.kind, metadata: { name }, status } as NodeRuntime
    try {
      await client.apply(NodeRuntimes, answer, { fieldManager, force: true, subresource: 'status' })
    } catch (error) {
      // Deleted since: there is nobody left to answer, and the deletion arrives as news.
      if (!isNotFound(error)) throw error
    }
    this.#written = { uid, status }
    log.info('answer written', { phase: status.phase, revision: status.revision, attempt: status.attempt })
  }

  #order(): Ordered | undefined {
    const object = this.#reflector.get(this.#options.node)
    return object?.spec && { ...object, spec: object.spec }
  }

  /** A write of our own status comes back as a change, too: only another order is news. */
  #onChange(): void {
    const order = this.#order()
    const told = this.#told
    if (told && order && told.uid === order.metadata.uid && told.generation === order.metadata.generation) return
    this.#news.abort()
  }
}
