/** What every form of a report says of a node, in the same words. Pure. */
import type { MigrationReport } from '../../crds/types.gen.ts'
import { humanBytes } from './bytes.ts'
import { humanMilliseconds } from './duration.ts'

export type ReportNode = NonNullable<NonNullable<MigrationReport['status']>['nodes']>[number]
export type RuntimeState = NonNullable<ReportNode['before']>
export type HandlerProof = NonNullable<NonNullable<ReportNode['verification']>['handlers']>[number]

/** From the start of the node's turn to its end. In milliseconds. */
export const turnMilliseconds = ({ startTime, completionTime }: ReportNode): number | undefined =>
  startTime === undefined || completionTime === undefined
    ? undefined
    : Math.max(0, Date.parse(completionTime) - Date.parse(startTime))

/** Names and values of the figures that the node has. */
export const figures = (node: ReportNode): readonly (readonly [name: string, value: string])[] => {
  const found: [string, string | undefined][] = [
    ['prepare', humanMilliseconds(node.prepareMilliseconds)],
    ['turn', humanMilliseconds(turnMilliseconds(node))],
    ['drain', humanMilliseconds(node.drainMilliseconds)],
    ['kubelet down', humanMilliseconds(node.kubeletDownMilliseconds)],
    ['proof', humanMilliseconds(node.verification?.durationMilliseconds)],
    ['pods moved', node.podsEvicted?.toString()],
    ['pods restarted in place', node.podsRemoved?.toString()],
    ['images carried', imagesCarried(node)],
    ['disk to reclaim', humanBytes(node.reclaimableBytes)],
  ]
  return found.flatMap(([name, value]) => (value ? [[name, value] as const] : []))
}

const imagesCarried = ({ images }: ReportNode): string | undefined => {
  if (!images) return undefined
  return images.carried === 0 ? '0' : `${images.carried} (${humanBytes(images.bytes)})`
}

/** What a person should know beside the figures, in the order of asking. */
export const remarks = (node: ReportNode): readonly (readonly [title: string, sentences: readonly string[]])[] => {
  const { images, notes = [], residue = [] } = node
  const worth = [...(images?.message ? [images.message] : []), ...notes]
  const all = [['Worth knowing', worth] as const, ['Left behind', residue] as const]
  return all.filter(([, sentences]) => sentences.length > 0)
}

/** Where the change failed, when a step did. */
export const failure = ({ failedStep, message }: ReportNode): string | undefined => {
  if (!message) return undefined
  return failedStep ? `Step ${failedStep} failed. ${message}` : message
}

/** The lines of the state of a runtime, before or after. */
export const stateRows: readonly (readonly [name: string, of: (state: RuntimeState) => string | undefined])[] = [
  ['engine', ({ engine, engineVersion }) => [engine, engineVersion].filter(Boolean).join(' ')],
  ['endpoint', ({ endpoint }) => endpoint],
  ['kubelet', ({ kubeletVersion }) => kubeletVersion],
  ['cgroup driver of the engine', ({ cgroupDriver }) => cgroupDriver],
  ['cgroup driver of the kubelet', ({ kubeletCgroupDriver }) => kubeletCgroupDriver],
  ['handlers', ({ handlers }) => handlers],
  ['OCI runtimes', ({ ociRuntimes }) => ociRuntimes],
  ['pause image', ({ sandboxImage }) => sandboxImage],
]

/** The engine’s steps that put the former state back are named after what they undo. */
export const isUndo = (step: { readonly name: string }): boolean => step.name.startsWith('undo ')
