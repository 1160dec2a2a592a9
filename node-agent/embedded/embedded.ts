/**
 * The node engine in the process of a person who is at the machine: one order after another, each committed as soon as it is
 * proven. The journal is the same as a cluster's agent keeps, so that whoever comes after a power cut goes on with it.
 */
import type { FileHandle } from 'node:fs/promises'
import type { NodeRuntimeStatus } from '../../crds/types.gen.ts'
import type { Log } from '../../kube/log.ts'
import { NodeEngine, type Parts } from '../engine/engine.ts'
import { kubeletHealthy } from '../engine/kubelet-health.ts'
import { Ledger } from '../engine/ledger.ts'
import { isFor } from '../engine/machine.ts'
import { changeParts, lookAt } from '../engine/on-demand.ts'
import { type Prepared, prepare } from '../engine/prepare.ts'
import type { Observed, Refusal } from '../engines/engine.ts'
import { bootClock } from '../host/boot-clock.ts'
import { nodeDisk } from '../host/node-disk.ts'
import { systemHost } from '../host/system-host.ts'
import { lockFolder } from '../journal/lock.ts'
import type { Memory } from '../journal/memory.ts'
import type { Order } from '../journal/records.ts'
import { Store } from '../journal/store.ts'
import { checkPerson } from './person.ts'

export const stateFolder = '/var/lib/drydock'

export interface Opening {
  readonly log: Log
  /** Of Drydock. */
  readonly version: string
  /** Files on the host with images that no registry has to have. */
  readonly archives?: readonly string[]
  /** Orders only prove what is there. */
  readonly isOnlyProof?: boolean
  /** Called at each change of the status. */
  readonly say: (status: NodeRuntimeStatus) => void
  /** Aborts when the person wants no more of it: what is under way is undone. */
  readonly signal: AbortSignal
}

/** What was said of an order for good. */
const ends: readonly (NodeRuntimeStatus['phase'] | undefined)[] = ['Committed', 'RolledBack', 'Refused', 'Failed']

export class Embedded {
  readonly #parts: Parts
  readonly #ledger: Ledger
  readonly #lock: FileHandle
  readonly #opening: Opening

  private constructor(parts: Parts, ledger: Ledger, lock: FileHandle, opening: Opening) {
    this.#parts = parts
    this.#ledger = ledger
    this.#lock = lock
    this.#opening = opening
  }

  /** Throws a sentence when this machine is not this person's to change, or when somebody else is at it. */
  static async open(opening: Opening): Promise<Embedded> {
    await checkPerson(nodeDisk)
    const store = new Store(nodeDisk, stateFolder)
    await store.makeFolder()
    const lock = await lockFolder(stateFolder)
    const { archives = [], isOnlyProof = false, log, version } = opening
    const [host, clock] = [systemHost(), bootClock()]
    const machineID = (await nodeDisk.read('/etc/machine-id'))?.toString().trim() ?? ''
    const parts = {
      ...{ store, clock, host, log, machineID, version, kubeletHealthy },
      ...changeParts({ host, clock, stateFolder, embedded: { archives }, isOnlyProof }),
      look: () => lookAt(host, { isEmbedded: true }),
      remove: async () => {},
    }
    return new Embedded(parts, await Ledger.open(store, clock, machineID), lock, opening)
  }

  async close(): Promise<void> {
    await this.#lock.close()
  }

  get memory(): Memory {
    return this.#ledger.state.memory
  }

  /** The revision of a change that a crash has left open. */
  get left(): string | undefined {
    return this.#ledger.state.work?.order.revision
  }

  /** Whether there is something to restore. */
  get isChanged(): boolean {
    const { files, origin, packages } = this.memory
    return Object.keys(files).length > 0 || origin !== undefined || packages !== undefined
  }

  /** How many pods the change would remove. Throws when the engine that has them does not tell. */
  async podsLost({ change: { action, from } }: Prepared['planned']): Promise<number> {
    if (action === 'None' || action === 'Restart' || from.name === 'none') return 0
    const { podsAt } = await import('../engine/cri-runtime.ts')
    return podsAt(from.endpoint)
  }

  /** Numbers the tries of a revision: the same order again would only get its old answer. */
  attemptOf(revision: string): number {
    const { answer } = this.memory
    return answer?.revision === revision ? (answer.attempt ?? 0) + 1 : 1
  }

  /** Looks, and touches nothing that is live; what was fetched for it goes again. */
  async preview(order: Order): Promise<Prepared | (Refusal & { readonly observed?: Observed })> {
    const prepared = await prepare(this.#parts, order, this.memory)
    await this.#parts.tidy(this.memory)
    return prepared
  }

  /** Does what is ordered, and commits it when it is proven. */
  carryOut(order: Order): Promise<NodeRuntimeStatus> {
    return this.#withEngine(async (engine) => {
      engine.put(order)
      let { permit } = order
      for (;;) {
        const { changed } = engine
        const status = await engine.status()
        if (isFor(order, status)) this.#opening.say(status)
        if (isFor(order, status) && ends.includes(status.phase)) return status
        const next = isFor(order, status) ? this.#permitAfter(status, permit) : permit
        if (next !== permit) engine.put({ ...order, permit: next })
        permit = next
        await this.#changeOf(changed)
      }
    })
  }

  #permitAfter({ phase }: NodeRuntimeStatus, permit: Order['permit']): Order['permit'] {
    if (permit === 'Commit' || phase === 'Proven') return 'Commit'
    return this.#opening.signal.aborted ? 'Rollback' : permit
  }

  /** Finishes or undoes what a crash has left open: the engine itself knows which. Tells what came of it. */
  settle(): Promise<NodeRuntimeStatus | undefined> {
    const { work } = this.#ledger.state
    if (!work) return Promise.resolve(undefined)
    const { order, stage } = work
    const isFailed = stage.name === 'failed'
    return this.#withEngine(async (engine) => {
      // An undoing that has failed is tried again at an order that is another one.
      const again = { ...order, attempt: (order.attempt ?? 0) + 1, permit: 'Rollback' } as const
      engine.put(isFailed ? again : { ...order, permit: 'Commit' })
      for (let isUndone = !isFailed; ; ) {
        const { changed } = engine
        const status = await engine.status()
        if (engine.idle) return this.memory.answer
        if (status.phase === 'Failed' && isUndone) return status
        if (status.phase === 'RollingBack') isUndone = true
        this.#opening.say(status)
        await changed
      }
    })
  }

  async #withEngine<T>(act: (engine: NodeEngine) => Promise<T>): Promise<T> {
    const stop = new AbortController()
    const engine = new NodeEngine(this.#parts, this.#ledger, stop.signal)
    const running = engine.run()
    try {
      return await act(engine)
    } finally {
      stop.abort()
      await running
    }
  }

  async #changeOf(changed: Promise<void>): Promise<void> {
    const { signal } = this.#opening
    if (signal.aborted) return changed
    const aborted = Promise.withResolvers<void>()
    const end = (): void => aborted.resolve()
    signal.addEventListener('abort', end, { once: true })
    await Promise.race([changed, aborted.promise])
    signal.removeEventListener('abort', end)
  }
}
