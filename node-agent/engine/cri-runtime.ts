/** The engine of the node, through its CRI socket. */
import { randomUUID } from 'node:crypto'
import type { Clock } from '../../kube/clock.ts'
import { CriClient } from '../cri/client.ts'
import { type PodSandbox, PodSandboxState } from '../cri/gen/runtime.ts'
import { type ImagesInUse, imageBytes, imagesInUse, pullMissing } from '../cri/images.ts'
import { removeAllSandboxes } from '../cri/sandboxes.ts'
import { waitForCri } from '../cri/wait.ts'
import { cleanUpProofs } from '../proof/clean-up.ts'
import { prove } from '../proof/prove.ts'
import type { Limit, Runtime } from '../steps/step.ts'

/** Of one call that removes a sandbox: the engine kills, unmounts and calls CNI plugins. */
const removalMs = 30_000
const paths = { proc: '/proc', cgroup: '/sys/fs/cgroup', netns: '/run/netns' }
/** Where the kubelet has engines log, so that it exists and its labels fit. */
const logDirectory = '/var/log/pods'

/** CRI endpoints are `unix:///path` or a bare path. */
function socketOf(endpoint: string): string {
  return endpoint.replace(/^unix:(\/\/)?/, '')
}

async function withClient<T>(endpoint: string, act: (client: CriClient) => Promise<T>): Promise<T> {
  const client = new CriClient(socketOf(endpoint))
  try {
    return await act(client)
  } finally {
    client.close()
  }
}

/** The images that containers behind an endpoint were made from, and those that were in use earlier. */
export function imagesAt(endpoint: string, earlier: readonly string[]): Promise<ImagesInUse> {
  return withClient(endpoint, (client) => imagesInUse(client, earlier))
}

/** What the images behind an endpoint take on disk. */
export function imageBytesAt(endpoint: string): Promise<number | undefined> {
  return withClient(endpoint, imageBytes)
}

/** How many pods run behind an endpoint. */
export function podsAt(endpoint: string): Promise<number> {
  return withClient(endpoint, async (client) => {
    const { items } = await client.call('listPodSandbox', {}, removalMs)
    return items.filter(({ state }) => state === PodSandboxState.SANDBOX_READY).length
  })
}

export function criRuntime(clock: Clock): Runtime {
  const remainingMs = ({ untilMs }: Limit): number => Math.max(1, Math.round(untilMs - clock.monotonicMs()))
  return {
    ready: async (endpoint, limit) => {
      const aborted = new Promise<never>((_, reject) => {
        limit.signal.addEventListener('abort', () => reject(new Error('The engine did not become ready in time.')), {
          once: true,
        })
      })
      const waiting = waitForCri(socketOf(endpoint), { deadlineMs: remainingMs(limit), clock })
      // Given up early, it goes on asking until its own deadline, and changes nothing.
      waiting.catch(() => {})
      const client = await Promise.race([waiting, aborted])
      client.close()
    },
    pods: (endpoint, limit) =>
      withClient(endpoint, async (client) => {
        const { items } = await client.call('listPodSandbox', {}, Math.min(removalMs, remainingMs(limit)))
        return items.map(({ id }) => id)
      }),
    removePods: (endpoint, limit, kept = []) =>
      withClient(endpoint, async (client) => {
        const deadlineMs = Math.min(removalMs, remainingMs(limit))
        const keep = ({ id }: PodSandbox): boolean => kept.includes(id)
        const options = { concurrency: 8, graceSeconds: 1, deadlineMs, clock, keep } as const
        const { failed, removed } = await removeAllSandboxes(client, options)
        const [first] = failed
        if (first) throw new Error(`${failed.length} pods could not be removed, ${first.pod} first: ${first.message}`)
        return removed
      }),
    pullMissing: (endpoint, name, limit) =>
      withClient(endpoint, (client) => pullMissing(client, name, remainingMs(limit))),
    prove: (endpoint, wanted, limit) =>
      withClient(endpoint, async (client) => {
        const { cgroupVersion } = wanted
        await cleanUpProofs(
          { client, clock, logDirectory, paths, cgroupVersion },
          Math.min(removalMs, remainingMs(limit)),
        )
        const { verification } = await prove({
          ...wanted,
          client,
          id: randomUUID(),
          timeoutMs: remainingMs(limit),
          cleanUpMs: removalMs,
          clock,
          logDirectory,
          paths,
        })
        return verification
      }),
  }
}
