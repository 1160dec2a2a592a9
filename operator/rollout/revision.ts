import { createHash } from 'node:crypto'
import type { RuntimeProfileSpec } from '../../crds/types.gen.ts'
import type { Target } from './types.ts'

const digits = 12

/**
 * What the nodes are told to run, in one form for all ways to write it: defaults are filled in, the order of handlers
 * does not count, and the source "preinstalled" is the same as none. How the fleet gets there (rollout, verify, drift)
 * is no part of it; what each node has to do with its former engine is.
 */
export function targetOf(spec: RuntimeProfileSpec): Target {
  const { engine, cgroupDriver, cgroupVersion, handlers, sandboxImage, migration } = spec
  const { name, version, source } = engine
  return {
    engine: {
      name,
      ...(version !== undefined && { version }),
      ...(source && !source.preinstalled && { source }),
    },
    ...(cgroupDriver && { cgroupDriver }),
    ...(cgroupVersion && { cgroupVersion }),
    ...(handlers && { handlers: [...handlers].sort((a, b) => compare(a.name, b.name)).map(handlerOf) }),
    ...(sandboxImage && { sandboxImage }),
    ...(migration && Object.keys(migration).length > 0 && { migration }),
  }
}

/** Hash of a target: equal targets have equal revisions, whatever the order of their fields. */
export function revisionOf(target: Target): string {
  return createHash('sha256').update(canonical(target)).digest('hex').slice(0, digits)
}

type Handler = NonNullable<RuntimeProfileSpec['handlers']>[number]

function handlerOf(handler: Handler): NonNullable<Target['handlers']>[number] {
  const { name, type = name, default: isDefault = false, runtimeClass: _, podAnnotations, ...rest } = handler
  return {
    ...rest,
    // The CRD refuses every other type by name.
    type: type as 'runc' | 'crun',
    name,
    default: isDefault,
    ...(podAnnotations && { podAnnotations: [...podAnnotations].sort(compare) }),
  }
}

function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  const fields = Object.entries(value).sort(([a], [b]) => compare(a, b))
  return `{${fields.map(([key, field]) => `${JSON.stringify(key)}:${canonical(field)}`).join(',')}}`
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)
