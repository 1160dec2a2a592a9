/** Which RuntimeClasses there have to be. Pure. */
import { labels, managedByValue } from '../../../crds/protocol.ts'
import type { RuntimeProfile } from '../../../crds/types.gen.ts'
import type { KubeObject } from '../../../kube/resource.ts'
import { handlerLabel } from '../../rollout/handlers.ts'
import type { Reason } from '../../rollout/types.ts'

export interface RuntimeClassObject extends KubeObject {
  handler?: string
  scheduling?: { nodeSelector?: Record<string, string> }
}

export interface RuntimeClassPlan {
  readonly apply: readonly RuntimeClassObject[]
  /** Of ours: wanted by nobody, or with another handler, which cannot be changed. */
  readonly remove: readonly RuntimeClassObject[]
  readonly problems: readonly (Reason & { readonly profile: string })[]
}

interface Wanted {
  readonly name: string
  readonly handler: string
  readonly profile: string
}

export function planRuntimeClasses(
  profiles: readonly RuntimeProfile[],
  existing: readonly RuntimeClassObject[],
): RuntimeClassPlan {
  const wanted = new Map<string, Wanted>()
  const problems: (Reason & { profile: string })[] = []
  const found = new Map(existing.map((object) => [object.metadata.name ?? '', object]))
  for (const one of profiles.flatMap(wantedBy)) {
    const problem = obstacle(one, wanted.get(one.name), found.get(one.name))
    if (problem) problems.push({ ...problem, profile: one.profile })
    else if (!wanted.has(one.name)) wanted.set(one.name, one)
  }
  const ours = existing.filter(isOurs)
  const remove = ours.filter(({ metadata, handler }) => wanted.get(metadata.name ?? '')?.handler !== handler)
  const kept = new Set(ours.filter((object) => !remove.includes(object) && isScheduled(object)).map(nameOf))
  const foreign = new Set(existing.filter((object) => !isOurs(object)).map(nameOf))
  const apply = [...wanted.values()].filter(({ name }) => !kept.has(name) && !foreign.has(name)).map(objectOf)
  return { apply, remove, problems }
}

function wantedBy({ metadata, spec }: RuntimeProfile): Wanted[] {
  if (metadata.deletionTimestamp) return []
  return (spec.handlers ?? []).flatMap(({ name, runtimeClass }) =>
    runtimeClass ? [{ name: runtimeClass.name ?? name, handler: name, profile: metadata.name }] : [],
  )
}

function obstacle(one: Wanted, other: Wanted | undefined, found: RuntimeClassObject | undefined): Reason | undefined {
  if (found && !isOurs(found) && found.handler !== one.handler) {
    const message = `RuntimeClass ${one.name} exists with handler ${found.handler} and was not created by Drydock: give runtimeClass another name`
    return { reason: 'RuntimeClassForeign', message }
  }
  if (!other || other.handler === one.handler) return undefined
  const message = `RuntimeClass ${one.name} is asked for with handler ${one.handler}, but RuntimeProfile ${other.profile} has it with ${other.handler}: give runtimeClass another name`
  return { reason: 'RuntimeClassConflict', message }
}

function objectOf({ name, handler }: Wanted): RuntimeClassObject {
  return {
    metadata: { name, labels: { [labels.managedBy]: managedByValue } },
    handler,
    scheduling: { nodeSelector: { [handlerLabel(handler)]: 'true' } },
  }
}

export const isOurs = ({ metadata }: KubeObject): boolean => metadata.labels?.[labels.managedBy] === managedByValue

const nameOf = ({ metadata }: KubeObject): string => metadata.name ?? ''

const isScheduled = ({ handler = '', scheduling }: RuntimeClassObject): boolean =>
  scheduling?.nodeSelector?.[handlerLabel(handler)] === 'true'
