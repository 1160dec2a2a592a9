/** The node engine: one loop that asks the machine what to do, and has it done. */
import type { NodeRuntimeStatus } from '../../crds/types.gen.ts'
import { blobName } from '../journal/blobs.ts'
import type { Order } from '../journal/records.ts'
import { Changer, type Changing } from './change.ts'
import type { Ledger } from './ledger.ts'
import { type Decision, decide } from './machine.ts'
import { actOnOrder, type Ordering } from './orders.ts'
import type { Work } from './work.ts'

export interface Parts extends Changing, Ordering {
  /** Version of Drydock. */
  readonly version: string
}

/** How long to wait after something that had to be written could not be. */
const retryMs = 1000
/** The longest that a timer can wait. */
const longMs = 2 ** 31 - 1

export class OldFence extends Error {
  override readonly name = 'OldFence'
}

export class NodeEngine {
  readonly #parts: Parts
  readonly #ledger: Ledger
  readonly #changer: Changer
  readonly #signal: AbortSignal
  /** Ends the sleep of the loop. */
  #wake = new AbortController()
  #removed = false

  /** Works until `signal` aborts. */
  constructor(parts: Parts, ledger: Ledger, signal: AbortSignal) {
    this.#parts = parts
    this.#ledger = ledger
    this.#signal = signal
    this.#changer = new Changer(parts, ledger, signal)
    signal.addEventListener('abort', () => {
      this.#changer.interrupt('The engine is stopped.')
      this.#wake.abort()
    })
  }

  /** Grows with each change of the status. */
  get seq(): number {
    return this.#ledger.seq
  }

  /** Resolves at the next change of the status. */
  get changed(): Promise<void> {
    return this.#ledger.changed
  }

  /** Nothing is under way and nothing is open: the process may end. */
  get idle(): boolean {
    const { work, pending } = this.#ledger.state
    return !work && !pending
  }

  /** Drydock is off the node: the process ends when this has been told. */
  get removed(): boolean {
    return this.#removed
  }

  /** A request came in: its sender is alive. */
  requested(): void {
    this.#ledger.requested()
    this.#wake.abort()
  }

  /** Takes an order. Throws OldFence when a newer operator has spoken already. */
  put(order: Order): void {
    const { fence } = this.#ledger.state.memory
    if (order.fence !== undefined && order.fence < fence) {
      throw new OldFence(`The order has fence ${order.fence}, and one with fence ${fence} was accepted before.`)
    }
    this.#ledger.accept(order)
    if (this.#decide().do === 'back') this.#changer.interrupt('Another order came.')
    this.#wake.abort()
  }

  async status(): Promise<NodeRuntimeStatus> {
    const { machineID, version } = this.#parts
    const { memory, work } = this.#ledger.state
    // Known here alone: the API forgets it when the Node is registered anew.
    const changed = work !== undefined || Object.keys(memory.files).length > 0 || memory.packages !== undefined
    return { ...this.#ledger.answer, agentVersion: version, machineID, changed, drifted: await this.#drifted() }
  }

  /** Resolves when it was told to stop, or when Drydock is off the node. */
  async run(): Promise<void> {
    while (!this.#signal.aborted && !this.#removed) {
      // A full disk must not keep an order back.
      await this.#ledger.saveFence().catch((error) => this.#parts.log.warn('the fence could not be written', { error }))
      try {
        // Nothing may come between the two: an order that came there would wake up nobody.
        await this.#act(this.#decide())
      } catch (error) {
        this.#parts.log.error('the engine tries again', { error })
        await this.#parts.clock.sleep(retryMs, this.#signal)
      }
    }
  }

  #decide(): Decision {
    return decide(this.#ledger.state, this.#parts.clock.instant())
  }

  async #act(decision: Decision): Promise<void> {
    const { work } = this.#ledger.state
    if (decision.do === 'wait') return this.#wait(decision.untilMs)
    if ('order' in decision) {
      await actOnOrder(this.#parts, this.#ledger, decision)
      this.#removed = decision.do === 'remove'
      return
    }
    if (work) await this.#change(work, decision)
  }

  async #change(work: Work, decision: Exclude<Decision, { do: 'wait' } | { order: Order }>): Promise<void> {
    const at = this.#parts.clock.instant()
    switch (decision.do) {
      case 'step':
        return this.#changer.step(work, decision)
      case 'proven':
        return this.#changer.proven(work)
      case 'back':
        return this.#changer.back(decision.why)
      case 'undo':
        return this.#changer.undo(work, decision.names)
      case 'commit':
        return this.#changer.commit()
      case 'courier':
      case 'again':
        return this.#ledger.record({ type: decision.do, at })
      default:
        return decision satisfies never
    }
  }

  async #wait(untilMs: number | undefined): Promise<void> {
    const { clock } = this.#parts
    this.#wake = new AbortController()
    await clock.sleep(untilMs === undefined ? longMs : untilMs - clock.monotonicMs(), this.#wake.signal)
  }

  async #drifted(): Promise<boolean> {
    const { memory, work } = this.#ledger.state
    if (work) return false
    for (const [path, { written }] of Object.entries(memory.files)) {
      if (blobName(await this.#parts.host.readFile(path)) !== written) return true
    }
    return false
  }
}
