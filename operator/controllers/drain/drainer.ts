import type { KubeClient } from '../../../kube/client.ts'
import type { Clock } from '../../../kube/clock.ts'
import type { Log } from '../../../kube/log.ts'
import type { DrainProgress } from '../../rollout/types.ts'
import { type DrainRequest, drain } from './drain.ts'

export interface DrainerOptions {
  readonly client: Pick<KubeClient, 'list' | 'watch' | 'evict'>
  readonly clock: Clock
  readonly log: Log
  readonly signal: AbortSignal
  /** A node's drain has news for its profile. */
  readonly onProgress: (profile: string) => void
}

interface Running {
  readonly profile: string
  readonly request: string
  readonly since: Date
  readonly cancel: AbortController
  progress: DrainProgress | undefined
}

const restartMilliseconds = 1_000

/** The drains under way. All that it knows but their beginnings is found again from the pods when the operator starts anew. */
export class Drainer {
  readonly #options: DrainerOptions
  readonly #running = new Map<string, Running>()

  constructor(options: DrainerOptions) {
    this.#options = options
  }

  progress(node: string): DrainProgress | undefined {
    return this.#running.get(node)?.progress
  }

  /**
   * Since when this process has been draining the node. A drain gives up after so long of trying: time in which no operator
   * was there to evict a pod is no reason to, and writing down how much of it passed would cost a write every so often.
   */
  since(node: string): Date | undefined {
    return this.#running.get(node)?.since
  }

  /** Keeps exactly these drains of the profile going: starts what is missing, and stops the others. */
  keep(profile: string, requests: readonly DrainRequest[]): void {
    const wanted = new Set(requests.map(({ node }) => node))
    for (const [node, running] of this.#running) {
      if (running.profile === profile && !wanted.has(node)) this.#stop(node, running)
    }
    for (const request of requests) this.#ensure(profile, request)
  }

  #stop(node: string, { cancel }: Running): void {
    cancel.abort()
    this.#running.delete(node)
  }

  #ensure(profile: string, request: DrainRequest): void {
    const text = JSON.stringify(request)
    const former = this.#running.get(request.node)
    if (former?.request === text && former.profile === profile) return
    if (former) this.#stop(request.node, former)
    const since = former?.profile === profile ? former.since : this.#options.clock.now()
    const running: Running = { profile, request: text, since, cancel: new AbortController(), progress: undefined }
    this.#running.set(request.node, running)
    void this.#run(request, running)
  }

  async #run(request: DrainRequest, running: Running): Promise<void> {
    const { client, clock, onProgress } = this.#options
    const log = this.#options.log.with({ node: request.node })
    const signal = AbortSignal.any([this.#options.signal, running.cancel.signal])
    const report = (progress: DrainProgress): void => {
      const isNews = JSON.stringify(progress) !== JSON.stringify(running.progress)
      running.progress = progress
      if (isNews && !signal.aborted) onProgress(running.profile)
    }
    while (!signal.aborted && running.progress?.state !== 'drained') {
      try {
        await drain(request, { client, clock, log, signal, onProgress: report })
      } catch (error) {
        log.error('drain failed and will go on', { error })
        const message = `${request.node} cannot be drained: ${(error as Error).message}`
        const podsEvicted = running.progress?.podsEvicted ?? 0
        report({ state: 'draining', why: { reason: 'DrainError', message }, podsEvicted })
        await clock.sleep(restartMilliseconds, signal)
      }
    }
  }
}
