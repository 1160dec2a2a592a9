/** Reading and writing of the annotations that carry the operator's memory. Unreadable ones count as absent. */
import { annotations } from '../../crds/protocol.ts'
import type { NodeRuntime } from '../../crds/types.gen.ts'
import type { CordonMark, GaveUp, Turn } from './types.ts'

/** `profile/revision/attempt/since`; a name of a profile has no slash. */
export function formatCordon({ profile, revision, attempt, since }: CordonMark): string {
  return [profile, revision, attempt, since].join('/')
}

/** A mark that somebody damaged is still ours: the node must not be taken for one that a person cordoned. */
export function parseCordon(value: string | undefined): CordonMark | undefined {
  if (value === undefined) return undefined
  const [profile = '', revision = '', attempt = '', since = ''] = value.split('/')
  return { profile, revision, attempt: Number(attempt) || 0, since }
}

export const turnOf = (runtime: NodeRuntime): Turn | undefined => parse<Turn>(runtime, annotations.turn)

export const gaveUpOf = (runtime: NodeRuntime): GaveUp | undefined => parse<GaveUp>(runtime, annotations.gaveUp)

function parse<T>(runtime: NodeRuntime, key: string): T | undefined {
  const text = runtime.metadata.annotations?.[key]
  if (text === undefined) return undefined
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? (value as T) : undefined
  } catch {
    return undefined
  }
}

/** When drifts were repaired of late, RFC 3339 by the operator's clock, the oldest first. */
export function repairsOf(runtime: NodeRuntime): readonly string[] {
  const value = parse<unknown>(runtime, annotations.repairs)
  return Array.isArray(value) ? value.filter((time) => typeof time === 'string' && Date.parse(time) > 0) : []
}
