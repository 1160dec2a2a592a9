import type { Clock } from '../../../kube/clock.ts'

interface Draining {
  readonly profile: string
  readonly since: Date
}

/**
 * Since when this process has been draining nodes. A drain gives up after so long of trying: time in which no operator
 * was there to evict a pod is no reason to, and writing down how much of it passed would cost a write every so often.
 */
export class DrainClock {
  readonly #clock: Pick<Clock, 'now'>
  readonly #draining = new Map<string, Draining>()

  constructor(clock: Pick<Clock, 'now'>) {
    this.#clock = clock
  }

  since(node: string): Date | undefined {
    return this.#draining.get(node)?.since
  }

  /** Exactly these nodes of the profile are being drained. */
  keep(profile: string, nodes: readonly string[]): void {
    for (const [node, draining] of this.#draining) {
      if (draining.profile === profile && !nodes.includes(node)) this.#draining.delete(node)
    }
    for (const node of nodes) {
      if (this.#draining.get(node)?.profile !== profile) this.#draining.set(node, { profile, since: this.#clock.now() })
    }
  }
}
