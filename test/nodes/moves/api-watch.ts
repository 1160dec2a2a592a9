/** Asks an API server from outside of the nodes whether it is ready, while something happens to its node. */
import { readFileSync } from 'node:fs'
import { get } from 'node:https'
import { join } from 'node:path'
import type { Cluster } from '../../cluster/cluster.ts'

export interface Answers {
  /** The longest time between two answers that say yes. */
  readonly longestMs: number
  readonly asked: number
  readonly unanswered: number
}

export const everyMs = 50
const patienceMs = 2_000

export class ApiWatch {
  readonly #url: string
  readonly #ca: Buffer
  readonly #timer: NodeJS.Timeout
  #lastMs = performance.now()
  #longestMs = 0
  #asked = 0
  #unanswered = 0

  constructor(cluster: Cluster, node: string) {
    this.#url = `https://${cluster.addressOf(node)}:6443/readyz`
    this.#ca = readFileSync(join(cluster.rootOf(node), 'etc/kubernetes/pki/ca.crt'))
    // A test that has failed does not wait for it.
    this.#timer = setInterval(() => void this.#ask(), everyMs).unref()
  }

  /** A gap that has not ended yet counts, too. */
  end(): Answers {
    clearInterval(this.#timer)
    const longestMs = Math.round(Math.max(this.#longestMs, performance.now() - this.#lastMs))
    return { longestMs, asked: this.#asked, unanswered: this.#unanswered }
  }

  async #ask(): Promise<void> {
    this.#asked++
    if (!(await this.#isReady())) {
      this.#unanswered++
      return
    }
    const now = performance.now()
    this.#longestMs = Math.max(this.#longestMs, now - this.#lastMs)
    this.#lastMs = now
  }

  /** Each time over a connection of its own: one that is open says nothing of a server that takes no more. */
  #isReady(): Promise<boolean> {
    return new Promise((resolve) => {
      const request = get(this.#url, { ca: this.#ca, agent: false, timeout: patienceMs }, (response) => {
        response.resume()
        response.on('end', () => resolve(response.statusCode === 200))
        response.on('error', () => resolve(false))
      })
      request.on('timeout', () => request.destroy())
      request.on('error', () => resolve(false))
    })
  }
}
