/** The engine's state in this process, and what of it is durable. */
import type { NodeRuntimeStatus } from '../../crds/types.gen.ts'
import type { BootClock } from '../host/boot-clock.ts'
import { freshMemory, type Memory } from '../journal/memory.ts'
import type { JournalRecord, Order } from '../journal/records.ts'
import type { Store } from '../journal/store.ts'
import { answerOf } from './answer.ts'
import type { State } from './machine.ts'
import { record, replay, type Work } from './work.ts'

export class Ledger {
  readonly store: Store
  readonly #clock: BootClock
  #state: State
  /** What is said while no change is open. */
  #answer: NodeRuntimeStatus
  /** The memory as it is on disk. */
  #saved: Memory
  #seq = 1
  #changed = Promise.withResolvers<void>()

  private constructor(store: Store, clock: BootClock, state: State) {
    this.store = store
    this.#clock = clock
    this.#state = state
    this.#answer = state.memory.answer ?? {}
    this.#saved = state.memory
  }

  /** Reads what the folder says. The caller holds its lock. */
  static async open(store: Store, clock: BootClock, machineID: string): Promise<Ledger> {
    await store.makeFolder()
    const memory = (await store.load()) ?? freshMemory(machineID)
    const work = replay(await store.records())
    if (work && work.id !== memory.closed) return new Ledger(store, clock, { memory, pending: false, work })
    // Also what a crash left before a journal was opened, or after it was closed.
    await store.close(memory)
    return new Ledger(store, clock, { memory, pending: false })
  }

  get state(): State {
    return this.#state
  }

  get seq(): number {
    return this.#seq
  }

  /** Resolves at the next change of the answer. */
  get changed(): Promise<void> {
    return this.#changed.promise
  }

  get answer(): NodeRuntimeStatus {
    const { work } = this.#state
    return work ? answerOf(work, this.#clock.instant()) : this.#answer
  }

  #publish(): void {
    this.#seq++
    this.#changed.resolve()
    this.#changed = Promise.withResolvers()
  }

  /** A request came in: its sender is alive. */
  requested(): void {
    this.#state = { ...this.#state, requestedMs: this.#clock.monotonicMs() }
  }

  accept(order: Order): void {
    const { memory } = this.#state
    const fence = Math.max(memory.fence, order.fence ?? 0)
    this.#state = { ...this.#state, order, pending: true, memory: { ...memory, fence } }
  }

  /** The order has been looked at, unless another came meanwhile. */
  settle(order: Order): void {
    if (this.#state.order === order) this.#state = { ...this.#state, pending: false }
  }

  say(answer: NodeRuntimeStatus): void {
    this.#answer = answer
    this.#publish()
  }

  /** Changes the memory, not yet on disk. */
  remember(change: (memory: Memory) => Memory): void {
    this.#state = { ...this.#state, memory: change(this.#state.memory) }
  }

  /** Writes the memory when it has changed. */
  async save(): Promise<void> {
    const { memory } = this.#state
    if (memory === this.#saved) return
    await this.store.save(memory)
    this.#saved = memory
  }

  /** Writes down that a newer operator has spoken, so that an older one is refused after a crash, too. */
  async saveFence(): Promise<void> {
    const { memory } = this.#state
    if (memory.fence <= this.#saved.fence) return
    await this.store.saveWithoutReserve(memory)
    this.#saved = memory
  }

  /** Durable first, then true. */
  async record(entry: JournalRecord): Promise<void> {
    if (entry.type === 'open') await this.store.open(entry)
    else await this.store.append(entry)
    this.advance(entry)
  }

  /** True in this process only: for what a replay would decide by itself. */
  advance(entry: JournalRecord): void {
    this.alter((work) => record(work, entry))
  }

  alter(change: (work: Work | undefined) => Work | undefined): void {
    const { work: before, ...rest } = this.#state
    const work = change(before)
    this.#state = { ...rest, ...(work && { work }) }
    this.#publish()
  }

  /** Ends the open change with an answer. The write of the memory is the moment from which the journal is void. */
  async close(answer: NodeRuntimeStatus): Promise<void> {
    await this.save()
    this.#answer = answer
    this.alter(() => undefined)
    await this.store.close(this.#state.memory)
  }
}
