/** Removes pods through CRI, without the kubelet. */
import type { Clock } from '../../kube/clock.ts'
import type { CriClient } from './client.ts'
import { CriError } from './error.ts'
import { ContainerState, NamespaceMode, type PodSandbox } from './gen/runtime.ts'

/** How long one sandbox may take. */
export interface Patience {
  readonly deadlineMs: number
  readonly clock: Clock
}

export interface RemoveOptions extends Patience {
  /** Sandboxes in work at the same time. */
  readonly concurrency: number
  /** Between the polite signal and the kill of each running container. */
  readonly graceSeconds: 0 | 1 | 2
  /** Which sandboxes stay; none when absent. */
  readonly keep?: (sandbox: PodSandbox) => boolean
}

export interface RemoveResult {
  readonly removed: number
  readonly failed: readonly { readonly pod: string; readonly message: string }[]
}

/**
 * Stops and removes every pod sandbox with its containers. The caller stops the kubelet first, which would make them anew.
 * Those in the network of the host go last: the agents of network plugins are among them, and a plugin may need its agent to
 * take a pod off the network. Rejects only when the engine cannot list them; a sandbox that resists is in `failed` and holds
 * up no other.
 */
export async function removeAllSandboxes(client: CriClient, options: RemoveOptions): Promise<RemoveResult> {
  const { items } = await client.call('listPodSandbox', {}, options.deadlineMs)
  const { containers } = await client.call('listContainers', {}, options.deadlineMs)
  const running = containers.filter(({ state }) => state === ContainerState.CONTAINER_RUNNING)
  const chosen = items.filter((sandbox) => !options.keep?.(sandbox))
  const ofHost = await Promise.all(chosen.map(({ id }) => isInHostNetwork(client, id, options.deadlineMs)))
  const failed: { pod: string; message: string }[] = []
  let removed = 0
  const remove = async (waiting: PodSandbox[]): Promise<void> => {
    const worker = async (): Promise<void> => {
      for (let sandbox = waiting.shift(); sandbox; sandbox = waiting.shift()) {
        const { id, metadata } = sandbox
        const own = running.filter(({ podSandboxId }) => podSandboxId === id).map((container) => container.id)
        try {
          await stopContainers(client, own, options)
          await removeSandbox(client, id, options)
          removed++
        } catch (error) {
          const pod = metadata ? `${metadata.namespace}/${metadata.name}` : id
          failed.push({ pod, message: (error as Error).message })
        }
      }
    }
    await Promise.all(Array.from({ length: options.concurrency }, worker))
  }
  await remove(chosen.filter((_, index) => !ofHost[index]))
  await remove(chosen.filter((_, index) => ofHost[index]))
  return { removed, failed }
}

/** One that cannot be asked any more has at least no agent of a network in it. */
async function isInHostNetwork(client: CriClient, podSandboxId: string, deadlineMs: number): Promise<boolean> {
  const answer = await client.call('podSandboxStatus', { podSandboxId }, deadlineMs).catch(() => undefined)
  return answer?.status?.linux?.namespaces?.options?.network === NamespaceMode.NODE
}

/** StopPodSandbox kills what still runs, so a container that resists here is not yet a failure. */
async function stopContainers(client: CriClient, ids: readonly string[], options: RemoveOptions): Promise<void> {
  if (options.graceSeconds === 0) return
  await Promise.allSettled(
    ids.map((containerId) =>
      client.call('stopContainer', { containerId, timeout: BigInt(options.graceSeconds) }, options.deadlineMs),
    ),
  )
}

/** Between two tries: an engine needs about this long to come to terms with a call that broke off. */
const retryPauseMs = 50

/**
 * Kills, stops and removes one sandbox with its containers. That it is gone already is no failure. Tries again until the
 * deadline: a container whose start was broken off cannot be removed for some 100 ms.
 */
export async function removeSandbox(client: CriClient, podSandboxId: string, patience: Patience): Promise<void> {
  const { clock } = patience
  const end = clock.monotonicMs() + patience.deadlineMs
  for (;;) {
    const left = Math.max(1, end - clock.monotonicMs())
    try {
      await client.call('stopPodSandbox', { podSandboxId }, left)
      await client.call('removePodSandbox', { podSandboxId }, left)
      return
    } catch (error) {
      if (!(error instanceof CriError)) throw error
      if (error.isNotFound) return
      if (error.isUnavailable || clock.monotonicMs() + retryPauseMs > end) throw error
    }
    await clock.sleep(retryPauseMs)
  }
}
