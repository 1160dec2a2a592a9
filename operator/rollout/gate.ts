/** The last comparison before a commit: what the API server knows of the node against what its agent proved. */
import { originalRevision } from '../../crds/protocol.ts'
import { answerOf } from './answer.ts'
import { turnOf } from './marks.ts'
import type { Member, Reason } from './types.ts'

/** For how long the Node may fall short after Proven, while the API server answers, before the node is rolled back. */
export const gateTimeoutMilliseconds = 120_000

type Check = (member: Member) => Reason | undefined

/** In order; the first that speaks is the reason why the commit waits. */
const checks: readonly Check[] = [
  notReady, // the kubelet is back and the API server says so
  staleHeartbeat, // and says so since the proof, not from before it
  otherRuntime, // with the engine that was proven
  missingHandlers, // and every handler that was asked for, or was there before
]

/** Why a proven node must not be committed yet; undefined when it may. */
export function shortcoming(member: Member): Reason | undefined {
  for (const check of checks) {
    const found = check(member)
    if (found) return found
  }
  return undefined
}

function notReady({ node }: Member): Reason | undefined {
  if (node.ready) return undefined
  return { reason: 'NodeNotReady', message: `${node.name} is proven locally, but its Node is not Ready` }
}

/**
 * Heartbeat and proof are both stamped by the clock of the node itself, so that no two clocks are compared. The
 * kubelet is stopped from before the proof to after it, and a heartbeat has whole seconds only: one from the second
 * in which the proof began is newer than the proof, unless it is the one seen before the switch.
 */
function staleHeartbeat({ node, runtime }: Member): Reason | undefined {
  if (!runtime) return undefined
  const proofTime = Date.parse(answerOf(runtime)?.verification?.time ?? '')
  const heartbeat = Date.parse(node.heartbeat ?? '')
  const isNewer = Number.isNaN(proofTime) || heartbeat >= Math.floor(proofTime / 1000) * 1000
  if (isNewer && node.heartbeat !== undefined && node.heartbeat !== turnOf(runtime)?.heartbeat) return undefined
  return { reason: 'HeartbeatOld', message: `${node.name} is proven locally, but its kubelet has not reported since` }
}

function otherRuntime({ node, runtime }: Member): Reason | undefined {
  const answer = runtime && answerOf(runtime)
  const version = answer?.verification?.engineVersion ?? answer?.observed?.engine?.version
  const name = answer?.verification?.engineName ?? answer?.observed?.engine?.name
  if (!version || !name) return undefined
  const wanted = `${name}://${version}`
  const found = node.runtimeVersion
  if (found && plain(found) === plain(wanted)) return undefined
  return {
    reason: 'RuntimeVersionDiffers',
    message: `${node.name} was proven with ${wanted}, but its Node reports ${found ?? 'no runtime version'}`,
  }
}

/**
 * What the proof was told through CRI is what the kubelet reports: containerd://, cri-o://, and docker:// behind
 * cri-dockerd, whose version is that of Docker. The kubelet passes a version on as it reads it: without a leading v, and without what is no semantic version (~ds1). */
const plain = (runtime: string): string => runtime.replace('://v', '://').replace(/~.*$/, '')

/** An engine that names no handlers, as Docker and containerd 1.x do, leaves the Node without a list. */
function missingHandlers({ node, runtime }: Member): Reason | undefined {
  if (!runtime || !node.runtimeHandlers?.length) return undefined
  const proven = answerOf(runtime)?.verification?.handlers
  const wanted = (runtime.spec?.revision === originalRevision ? proven : runtime.spec?.target?.handlers) ?? []
  const missing = wanted.filter(({ name }) => !node.runtimeHandlers?.includes(name))
  if (missing.length === 0) return undefined
  const names = missing.map(({ name }) => name).join(', ')
  return { reason: 'HandlersMissing', message: `${node.name} is proven locally, but its Node does not list ${names}` }
}
