/** What the engine says of an open change. Pure. */
import type { NodeRuntimeStatus } from '../../crds/types.gen.ts'
import type { Instant } from '../host/boot-clock.ts'
import type { Order } from '../journal/records.ts'
import type { Work } from './work.ts'

/** The API takes no more. */
const maxSteps = 64
const maxMessage = 4096

/** By the monotonic clock within a boot; over a reboot only wall time is left. */
export function elapsedMs(from: Instant, to: Instant): number {
  const ms = from.boot === to.boot ? to.monotonicMs - from.monotonicMs : Date.parse(to.wall) - Date.parse(from.wall)
  return Math.max(0, Math.round(ms))
}

function steps({ timings, end }: Work, now: Instant): NonNullable<NodeRuntimeStatus['steps']> {
  const all = timings.map(({ name, begin }, index) => {
    const durationMilliseconds = elapsedMs(begin, timings[index + 1]?.begin ?? end ?? now)
    return { name, startTime: begin.wall, durationMilliseconds }
  })
  return all.slice(-maxSteps)
}

/** Undefined while the kubelet is still down, or when it never was. */
function kubeletDown({ change, timings, end }: Work): number | undefined {
  if (change.kubeletUnit === undefined) return undefined
  const stop = timings.find(({ name }) => name === 'stop-kubelet')
  return stop && end ? elapsedMs(stop.begin, end) : undefined
}

function stage({ stage, order }: Work): Pick<NodeRuntimeStatus, 'phase' | 'message' | 'reason' | 'failedStep'> {
  switch (stage.name) {
    case 'forward':
      return { phase: 'Switching', message: `Step ${stage.steps[stage.next] ?? 'start-kubelet'}.` }
    case 'proven':
      return { phase: 'Proven', message: `Revision ${order.revision} is proven on the node.` }
    case 'back':
    case 'failed': {
      const { reason, message, step } = stage.why
      const phase = stage.name === 'back' ? 'RollingBack' : 'Failed'
      return { phase, reason, message: message.slice(0, maxMessage), ...(step && { failedStep: step }) }
    }
    default:
      return stage satisfies never
  }
}

/** Which order an answer is about. */
export function about({ revision, attempt, generation }: Order): NodeRuntimeStatus {
  return {
    ...(revision !== undefined && { revision }),
    ...(attempt !== undefined && { attempt }),
    ...(generation !== undefined && { observedGeneration: generation }),
  }
}

export function answerOf(work: Work, now: Instant): NodeRuntimeStatus {
  const down = kubeletDown(work)
  return {
    ...about(work.order),
    ...stage(work),
    ...work.shown,
    steps: steps(work, now),
    podsRemoved: work.findings.podsRemoved,
    ...(down !== undefined && { kubeletDownMilliseconds: down }),
    ...(work.findings.images && { images: work.findings.images }),
    ...(work.findings.verification && { verification: work.findings.verification }),
  }
}
