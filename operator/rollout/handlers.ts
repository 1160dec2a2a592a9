/** The labels by which RuntimeClasses find the nodes where a handler is proven. */
import { labels, originalRevision } from '../../crds/protocol.ts'
import type { NodeRuntime } from '../../crds/types.gen.ts'
import { answerOf } from './answer.ts'

export const handlerLabel = (handler: string): string => `${labels.handlerPrefix}${handler}`

const handlerOf = (label: string): string => label.slice(labels.handlerPrefix.length)

export const isHandlerLabel = (label: string): boolean => label.startsWith(labels.handlerPrefix)

/** Handlers that the node's last proof passed; none once the former files are back. */
export function provenHandlers(runtime: NodeRuntime): string[] {
  if (runtime.spec?.revision === originalRevision) return []
  const proven = answerOf(runtime)?.verification?.handlers ?? []
  return proven.filter(({ passed }) => passed).map(({ name }) => name)
}

/** Whether the node has the labels of these handlers and of no others. */
export function hasLabels(present: Readonly<Record<string, string>>, handlers: readonly string[]): boolean {
  if (!handlers.every((handler) => present[handlerLabel(handler)] === 'true')) return false
  // Asked of every node at each plan: nothing is made of the labels of others.
  for (const label in present) if (isHandlerLabel(label) && !handlers.includes(handlerOf(label))) return false
  return true
}
