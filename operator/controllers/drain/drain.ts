/** The drain of one node, from the first eviction to the last pod gone. */
import type { KubeClient } from '../../../kube/client.ts'
import type { Clock } from '../../../kube/clock.ts'
import type { EvictionOutcome } from '../../../kube/eviction.ts'
import type { Log } from '../../../kube/log.ts'
import { Reflector } from '../../../kube/reflector.ts'
import { Pods } from '../../../kube/resource.ts'
import type { DrainProgress, Reason } from '../../rollout/types.ts'
import { type DrainOptions, nameOf, type PodObject, planDrain, projectPod } from './plan.ts'

export interface DrainRequest extends DrainOptions {
  readonly node: string
  /** When the node went out of service, RFC 3339. */
  readonly since: string
}

export interface DrainTools {
  readonly client: Pick<KubeClient, 'list' | 'watch' | 'evict'>
  readonly clock: Clock
  readonly log: Log
  readonly signal: AbortSignal
  readonly onProgress: (progress: DrainProgress) => void
}

type Refusal = EvictionOutcome & { evicted: false }

/** What became of the evictions so far, by the uid of the pod. */
interface Asked {
  readonly evicted: Set<string>
  readonly refused: Map<string, { readonly why: Reason; readonly againAtMs: number }>
}

/** A disruption budget is not watched: pods elsewhere become ready and it opens without a word. */
const evictAgainMilliseconds = 2_000

/**
 * Evicts what has to go, tries again what was refused, and ends when nothing is left to wait for. Keeps no state of
 * its own: begun anew, it goes on from the pods that are there. Ends early only when the signal aborts.
 */
export async function drain(request: DrainRequest, tools: DrainTools): Promise<void> {
  const { client, clock, log, signal, onProgress } = tools
  const done = new AbortController()
  const ending = AbortSignal.any([signal, done.signal])
  let wake = Promise.withResolvers<void>()
  const pods = new Reflector<PodObject>({
    client,
    type: Pods,
    options: { fieldSelector: `spec.nodeName=${request.node}` },
    project: projectPod,
    onChange: () => wake.resolve(),
    clock,
    log,
  })
  const watching = pods.run(ending)
  const asked: Asked = { evicted: new Set(), refused: new Map() }
  try {
    await Promise.race([pods.synced, aborted(signal)])
    while (!signal.aborted) {
      wake = Promise.withResolvers<void>()
      const plan = planDrain(pods.list(), request)
      const refusals = plan.blocking.length > 0 ? [] : await evictAll(plan.evict, asked, tools)
      const why = plan.blocking[0] ?? refusals[0] ?? waitsFor([...plan.evict, ...plan.leaving])
      if (!why) {
        const milliseconds = Math.max(0, clock.now().getTime() - Date.parse(request.since))
        onProgress({ state: 'drained', podsEvicted: asked.evicted.size, milliseconds })
        return
      }
      onProgress({ state: 'draining', why, podsEvicted: asked.evicted.size })
      await Promise.race([wake.promise, clock.sleep(evictAgainMilliseconds, ending)])
    }
  } finally {
    done.abort()
    await watching
  }
}

/** Asks for all of them at once; gives the reasons of those that were refused. */
async function evictAll(pods: readonly PodObject[], asked: Asked, tools: DrainTools): Promise<Reason[]> {
  const outcomes = await Promise.all(pods.map((pod) => evictOne(pod, asked, tools)))
  return outcomes.flatMap((outcome) => outcome ?? [])
}

async function evictOne(
  pod: PodObject,
  { evicted, refused }: Asked,
  { client, clock }: DrainTools,
): Promise<Reason | undefined> {
  const { name = '', namespace = '', uid = '' } = pod.metadata
  // Accepted already; the watch has not shown yet that it leaves.
  if (evicted.has(uid)) return undefined
  const former = refused.get(uid)
  // Each event of another pod wakes the drain: what was refused is not asked for again by that.
  if (former && clock.monotonicMs() < former.againAtMs) return former.why
  const outcome = await client.evict({ name, namespace, uid })
  if (outcome.evicted) {
    evicted.add(uid)
    return undefined
  }
  const why = explain(pod, outcome)
  const restMs = Math.max(evictAgainMilliseconds, (outcome.retryAfterSeconds ?? 0) * 1000)
  refused.set(uid, { why, againAtMs: clock.monotonicMs() + restMs })
  return why
}

function explain(pod: PodObject, { reason, message }: Refusal): Reason {
  const { namespace } = pod.metadata
  const budget = /disruption budget (\S+)/i.exec(message)?.[1]
  if (reason === 'DisruptionBudget' && budget) {
    return { reason, message: `PDB ${namespace}/${budget} allows 0 disruptions and pod ${nameOf(pod)} has to leave` }
  }
  return { reason, message: `Pod ${nameOf(pod)} cannot be evicted: ${message}` }
}

const named = 3

function waitsFor(pods: readonly PodObject[]): Reason | undefined {
  if (pods.length === 0) return undefined
  const names = pods.slice(0, named).map(nameOf).join(', ')
  const more = pods.length > named ? ` and ${pods.length - named} more` : ''
  return { reason: 'Draining', message: `Pods ${names}${more} are ending` }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}
