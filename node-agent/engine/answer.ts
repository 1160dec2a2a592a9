/** What the engine says of an open change. Pure. */
import type { NodeRuntimeStatus } from '../../crds/types.gen.ts'
import type { Instant } from '../host/boot-clock.ts'
import type { Order, Shown } from '../journal/records.ts'
import type { Work } from './work.ts'

/** The API takes no more. */
const maxSteps = 64
const maxMessage = 4096
const maxImagesMessage = 1024

/** By the monotonic clock within a boot; over a reboot only wall time is left. */
export function elapsedMs(from: Instant, to: Instant): number {
  const ms = from.boot === to.boot ? to.monotonicMs - from.monotonicMs : Date.parse(to.wall) - Date.parse(from.wall)
  return Math.max(0, Math.round(ms))
}

function steps({ timings, end }: Work, now: Instant): NonNullable<NodeRuntimeStatus['steps']> {
  const all = timings.map(({ name, begin, end: own }, index) => {
    const durationMilliseconds = elapsedMs(begin, own ?? timings[index + 1]?.begin ?? end ?? now)
    return { name, startTime: begin.wall, durationMilliseconds }
  })
  return all.slice(-maxSteps)
}

/** What stops the kubelet. */
const stops: readonly string[] = ['stop-kubelet', 'undo start-kubelet']

/** Undefined while the kubelet is still down, or when it never was. Between the proof and an undoing it was up. */
function kubeletDown({ change, timings, end }: Work): number | undefined {
  if (change.kubeletUnit === undefined || end === undefined) return undefined
  let [downMs, since]: [number | undefined, Instant | undefined] = [undefined, undefined]
  for (const [index, timing] of timings.entries()) {
    if (stops.includes(timing.name)) since ??= timing.begin
    const up = timing.end ?? (index === timings.length - 1 ? end : undefined)
    if (!since || !up) continue
    downMs = (downMs ?? 0) + elapsedMs(since, up)
    since = undefined
  }
  return downMs
}

/** Of an engine that the node has gone back to nothing is to be reclaimed. */
function shown({ shown, stage }: Work): Shown {
  const { reclaimableBytes: _, ...rest } = shown
  return stage.name === 'back' || stage.name === 'failed' ? rest : shown
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

/** What was known beforehand, and what steps have found out since. */
function images({ shown, findings }: Work): Pick<NodeRuntimeStatus, 'images'> {
  if (!findings.images) return {}
  const messages = [shown.images?.message, findings.images.message].filter((each) => each !== undefined)
  const message = messages.join(' ').slice(0, maxImagesMessage)
  return { images: { ...findings.images, ...(message && { message }) } }
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
    ...shown(work),
    steps: steps(work, now),
    podsRemoved: work.findings.podsRemoved,
    ...(down !== undefined && { kubeletDownMilliseconds: down }),
    ...images(work),
    ...(work.findings.verification && { verification: work.findings.verification }),
  }
}
