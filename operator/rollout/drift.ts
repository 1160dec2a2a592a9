/** What is done about a node that no longer is what was proven. */
import { annotations } from '../../crds/protocol.ts'
import type { NodeRuntime } from '../../crds/types.gen.ts'
import { answerOf } from './answer.ts'
import { repairsOf } from './marks.ts'
import { outcomeOf } from './outcome.ts'
import type { Known, Reason, Wish } from './types.ts'

/** So many repairs within an hour: another tool writes the same files, and neither would ever stop. */
const mostRepairs = 3
const hourMilliseconds = 3_600_000
/** Between a repair and the next one: after the first, after the second. */
const pauses = [300_000, 900_000]

/** Repair: the times of the repairs of late, this one with them. Wait: why not now, and when it may be. */
export type Verdict =
  | { readonly do: 'repair'; readonly repairs: readonly string[] }
  | { readonly do: 'wait'; readonly why: Reason; readonly lookAgainMilliseconds?: number }

/** An order to prove the node as it is: it belongs to no report, for it changes nothing. */
export const isRepeatedProof = ({ metadata, spec }: NodeRuntime): boolean =>
  spec?.profile !== undefined && spec.revision !== undefined && metadata.annotations?.[annotations.report] === undefined

/** A file was changed after the commit, or the agent finds that something else has to change to be there again. */
export function hasDrifted(runtime: NodeRuntime): boolean {
  if (outcomeOf(runtime)?.result === 'Committed') return runtime.status?.drifted === true
  const { phase, action } = answerOf(runtime) ?? {}
  return isRepeatedProof(runtime) && runtime.spec?.permit === 'Prepare' && phase === 'Prepared' && action !== 'None'
}

export function verdictOn({ node, runtime }: Known, { profile, now }: Wish): Verdict {
  const drifted = `${node.name} has drifted: it is no longer what Drydock proved`
  if (profile.spec.drift !== 'Repair') {
    const message = `${drifted}; set the annotation ${annotations.retry} to bring it back, or drift: Repair to have that done each time`
    return { do: 'wait', why: { reason: 'Drifted', message } }
  }
  const repairs = repairsOf(runtime).slice(-mostRepairs)
  const times = repairs.map((time) => Date.parse(time))
  const [first = 0] = times
  const last = times.at(-1)
  if (last === undefined) return { do: 'repair', repairs: [now.toISOString()] }
  if (times.length === mostRepairs && last - first < hourMilliseconds) {
    const message = `${drifted}, and ${mostRepairs} repairs within an hour did not last: find what changes it, then set the annotation ${annotations.retry}`
    return { do: 'wait', why: { reason: 'DriftReturns', message } }
  }
  const ofLate = times.filter((time) => last - time < hourMilliseconds).length
  const due = last + (pauses[ofLate - 1] ?? hourMilliseconds)
  if (now.getTime() >= due) return { do: 'repair', repairs: [...repairs, now.toISOString()].slice(-mostRepairs) }
  const message = `${drifted} shortly after a repair, and is repaired again at ${new Date(due).toISOString().slice(11, 19)} UTC`
  return { do: 'wait', why: { reason: 'DriftReturned', message }, lookAgainMilliseconds: due - now.getTime() }
}
