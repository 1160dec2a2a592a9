/** Which part of which object each of Drydock's programs may write, and nothing beside it. */
import { isDeepStrictEqual } from 'node:util'
import { annotations, criSocketAnnotation, labels, startupTaint } from '../../../crds/protocol.ts'
import type { Stored, Written } from './api.ts'

type Labels = Readonly<Record<string, string>>

/** What is left of an object without the parts that its writer may change. */
type Rest = (object: Stored) => unknown

const without = (all: Labels | undefined, isOwn: (key: string) => boolean): Labels =>
  Object.fromEntries(Object.entries(all ?? {}).filter(([key]) => !isOwn(key)))

const nodeAnnotations: readonly string[] = [annotations.cordonedBy, annotations.formerCriSocket, criSocketAnnotation]

interface Taint {
  readonly key?: string
}

const restOf: Readonly<Record<string, Rest>> = {
  // The cordon, the startup taint, labels of handlers and a few annotations.
  nodes: ({ metadata, spec: { unschedulable: _, taints, ...spec } = {}, status }) => ({
    labels: without(metadata.labels, (key) => key.startsWith(labels.handlerPrefix)),
    annotations: without(metadata.annotations, (key) => nodeAnnotations.includes(key)),
    taints: ((taints ?? []) as Taint[]).filter(({ key }) => key !== startupTaint.key),
    spec,
    status,
  }),
  // All but what the node's agent says.
  noderuntimes: ({ status }) => ({ status }),
  // What became of it, and the finalizer.
  runtimeprofiles: ({ metadata, spec }) => ({ spec, labels: metadata.labels, annotations: metadata.annotations }),
  migrationreports: () => ({}),
  runtimeclasses: () => ({}),
}

const created: readonly string[] = ['noderuntimes', 'migrationreports', 'runtimeclasses']
const removed: readonly string[] = ['migrationreports', 'runtimeclasses']

/** What an operator wrote that is not its own; undefined when there is nothing. */
export function trespass({ plural, before, after }: Written): string | undefined {
  const { name } = (after ?? before)!.metadata
  if (!before) return created.includes(plural) ? undefined : `creates ${plural} ${name}`
  const isLeaving = before.metadata.deletionTimestamp !== undefined
  if (!after) return removed.includes(plural) || isLeaving ? undefined : `removes ${plural} ${name}`
  const rest = restOf[plural]
  if (!rest) return `writes ${plural} ${name}`
  return isDeepStrictEqual(rest(before), rest(after)) ? undefined : `changes what is not its own of ${plural} ${name}`
}

/** What a courier wrote but the answer of its own node. */
export function courierTrespass({ plural, process, before, after }: Written): string | undefined {
  const name = (after ?? before)?.metadata.name
  const isOwn = plural === 'noderuntimes' && name === process && before !== undefined && before.spec === after?.spec
  return isOwn ? undefined : `writes ${plural} ${name}`
}
