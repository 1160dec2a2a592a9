/** What happened on a node and when, as stretches of time. Pure; all times in milliseconds since 1970. */
import { isUndo, type ReportNode, turnMilliseconds } from '../report-facts.ts'

export const spanKinds = ['turn', 'drain', 'change', 'proof', 'rollback', 'down'] as const
export type SpanKind = (typeof spanKinds)[number]

export interface Span {
  readonly kind: SpanKind
  readonly name: string
  readonly from: number
  readonly to: number
}

interface Step {
  readonly name: string
  readonly startTime: string
  readonly durationMilliseconds: number
}

/** The bars of a node's lane, in the order in which they are painted over each other. */
export const laneSpans = (node: ReportNode): readonly Span[] => [
  ...turnSpan(node),
  ...drainSpan(node),
  ...stretch(
    'change',
    'change',
    stepsOf(node, (step) => !isUndo(step)),
  ),
  ...stretch('rollback', 'rollback', stepsOf(node, isUndo)),
  ...proofSpan(node),
  ...downSpan(node),
]

/** Each step by itself. */
export const stepSpans = (node: ReportNode): readonly Span[] =>
  stepsOf(node, () => true).map((step) => ({ kind: kindOf(step), name: step.name, ...times(step) }))

const kindOf = (step: Step): SpanKind => {
  if (isUndo(step)) return 'rollback'
  return step.name === 'prove' ? 'proof' : 'change'
}

const stepsOf = (node: ReportNode, wanted: (step: Step) => boolean): readonly Step[] =>
  (node.steps ?? []).filter((step) => wanted(step) && !Number.isNaN(Date.parse(step.startTime)))

const times = ({ startTime, durationMilliseconds }: Step) => {
  const from = Date.parse(startTime)
  return { from, to: from + durationMilliseconds }
}

const span = (kind: SpanKind, name: string, start: string | undefined, milliseconds: number | undefined): Span[] => {
  const from = Date.parse(start ?? '')
  return Number.isNaN(from) || milliseconds === undefined ? [] : [{ kind, name, from, to: from + milliseconds }]
}

const turnSpan = (node: ReportNode) => span('turn', 'turn', node.startTime, turnMilliseconds(node))

const drainSpan = ({ startTime, drainMilliseconds }: ReportNode) =>
  span('drain', 'drain', startTime, drainMilliseconds || undefined)

const proofSpan = ({ verification }: ReportNode) =>
  span('proof', 'proof', verification?.time, verification?.durationMilliseconds)

/** A change that was undone after its proof stopped the kubelet twice. */
const downSpan = (node: ReportNode) => {
  const steps = stepsOf(node, () => true)
  const of = (name: string): Step | undefined => steps.find((step) => step.name === name)
  const [stop, start, again, last] = [of('stop-kubelet'), of('start-kubelet'), of('undo start-kubelet'), steps.at(-1)]
  if (!start || !again || !last) return span('down', 'kubelet down', stop?.startTime, node.kubeletDownMilliseconds)
  return [...between(stop, start), ...between(again, last)]
}

const between = (first: Step | undefined, last: Step) => {
  const milliseconds = Date.parse(last.startTime) + last.durationMilliseconds - Date.parse(first?.startTime ?? '')
  return span('down', 'kubelet down', first?.startTime, milliseconds)
}

const stretch = (kind: SpanKind, name: string, steps: readonly Step[]): Span[] => {
  if (steps.length === 0) return []
  const all = steps.map(times)
  return [{ kind, name, from: Math.min(...all.map(({ from }) => from)), to: Math.max(...all.map(({ to }) => to)) }]
}
