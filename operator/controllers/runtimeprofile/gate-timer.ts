import type { NodeRuntime } from '../../../crds/types.gen.ts'
import type { Clock } from '../../../kube/clock.ts'
import { gateLookMilliseconds } from '../../rollout/stage.ts'

interface Watched {
  readonly order: string
  milliseconds: number
  lookedAtMs: number
}

/**
 * For how long proven nodes have been compared in vain. Only time in which the API server showed us the Node counts:
 * a node is not rolled back because nobody could look.
 */
export class GateTimer {
  readonly #clock: Clock
  readonly #watched = new Map<string, Watched>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  milliseconds(runtime: NodeRuntime): number {
    const watched = this.#watched.get(runtime.metadata.name)
    return watched && watched.order === orderOf(runtime) ? watched.milliseconds : 0
  }

  /** Whether the Node should be read again before the next comparison. */
  isDue(runtime: NodeRuntime): boolean {
    const watched = this.#watched.get(runtime.metadata.name)
    if (watched?.order !== orderOf(runtime)) return true
    return this.#clock.monotonicMs() - watched.lookedAtMs >= gateLookMilliseconds
  }

  /** The Node was read from the API server just now. */
  looked(runtime: NodeRuntime): void {
    const lookedAtMs = this.#clock.monotonicMs()
    const order = orderOf(runtime)
    const former = this.#watched.get(runtime.metadata.name)
    if (former?.order !== order) {
      this.#watched.set(runtime.metadata.name, { order, milliseconds: 0, lookedAtMs })
      return
    }
    // A longer gap means that we could not look in between.
    former.milliseconds += Math.min(lookedAtMs - former.lookedAtMs, 2 * gateLookMilliseconds)
    former.lookedAtMs = lookedAtMs
  }
}

const orderOf = ({ metadata, spec }: NodeRuntime): string => `${metadata.uid}/${spec?.revision}/${spec?.attempt}`
