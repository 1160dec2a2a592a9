/** The first nodes of a rollout: they are changed and watched before the rest follows. */
import { parseDuration } from '../../crds/duration.ts'
import { list, shareOf } from './budget.ts'
import { isRepeatedProof } from './drift.ts'
import { gaveUpOf } from './marks.ts'
import { outcomeOf } from './outcome.ts'
import { changeOf } from './reproof.ts'
import { startedAt } from './turn.ts'
import type { Delay, Known, Member, Reason, Stage, Staged, Wish } from './types.ts'

/** What the canaries say about the nodes that come after them. */
export interface Canary {
  /** They may start. */
  readonly names: ReadonlySet<string>
  /** A person is needed. */
  readonly stop?: Reason
  /** Why the others wait. */
  readonly delay?: Delay
}

interface Candidate extends Staged {
  readonly member: Known
  /** Start of its turn for the present revision; undefined when it had none. Empty when nothing tells the time. */
  readonly start: string | undefined
}

const pending: readonly Stage['at'][] = ['ordering', 'preparing', 'startable']

/**
 * The canaries are the nodes that had their turn first, and as long as they are too few those that are next. So the
 * same nodes stay canaries whatever becomes of the order of the others, and all that is known of them is in the API.
 * Undefined when there is nothing to hold back.
 */
export function canaryOf(staged: readonly Staged[], wish: Wish): Canary | undefined {
  const wanted = wish.profile.spec.rollout?.canary
  if (!wanted) return undefined
  const candidates = staged.flatMap((one) => candidateOf(one, wish) ?? [])
  const begun = candidates.filter(({ start }) => start !== undefined)
  const ranked = [
    ...begun.toSorted((a, b) => startTime(a) - startTime(b)),
    ...candidates.filter(({ start }) => start === undefined).toSorted((a, b) => inService(a) - inService(b)),
  ]
  const total = staged.filter(({ member }) => member.intent.kind === 'target').length
  const canaries = ranked.slice(0, shareOf(wanted.nodes, total))
  const names = new Set(canaries.map(({ member }) => member.node.name))
  const rest = ranked.slice(canaries.length)
  if (!rest.some(({ stage }) => pending.includes(stage.at))) return undefined
  return { names, ...verdict(canaries, rest, { soak: parseDuration(wanted.soak), now: wish.now }) }
}

/** Who joins goes first, also of the control plane: it takes a place that the others may wait for. */
const inService = ({ member }: Candidate): number => (member.node.startupTaint ? 0 : 1)

const startTime = ({ start = '' }: Candidate): number => Date.parse(start) || 0

/** A node that had its turn, or can have it: one that cannot be changed now lets the next one pass. */
function candidateOf({ member, stage }: Staged, { revision }: Wish): Candidate | undefined {
  const { node, runtime, intent } = member
  if (!isKnown(member) || intent.kind !== 'target') return undefined
  const start = runtime?.spec?.revision === revision ? startOf(member) : undefined
  if (start === undefined && isRepeatedProof(member.runtime)) return undefined
  const isNext = node.ready && !node.deleting && (pending.includes(stage.at) || stage.at === 'failed')
  return start !== undefined || isNext ? { member, stage, start } : undefined
}

const isKnown = (member: Member): member is Known => member.runtime !== undefined

function startOf(member: Known): string | undefined {
  const { node, runtime } = member
  if (isRepeatedProof(runtime)) return changeOf(runtime)?.startTime
  // A node that is cordoned still from a former order is changed at once: its place is taken.
  const start = startedAt(member) ?? node.cordon?.since
  if (start !== undefined || outcomeOf(runtime)?.result !== 'GaveUp') return start
  return gaveUpOf(runtime)?.startTime ?? ''
}

interface Soak {
  /** In milliseconds. */
  readonly soak: number
  readonly now: Date
}

function verdict(
  canaries: readonly Candidate[],
  rest: readonly Candidate[],
  { soak, now }: Soak,
): Omit<Canary, 'names'> {
  const proven = Math.max(...canaries.map(provenAt))
  // Whoever began after the soak was let through: what befalls a canary later holds nobody back.
  if (rest.some((one) => startTime(one) >= proven + soak)) return {}
  const failed = canaries.flatMap(({ stage }) => (stage.at === 'failed' ? [stage.why] : []))
  if (failed[0]) return { stop: stopped('CanaryFailed', 'a canary failed', failed[0]) }
  const drifted = canaries.flatMap(({ stage }) => (stage.at === 'drifted' ? [stage.why] : []))
  if (drifted[0]) return { stop: stopped('CanaryDrifted', 'a canary has drifted', drifted[0]) }
  const behind = canaries.find(({ stage }) => stage.at !== 'done')
  if (behind) return { delay: { why: unfinished(behind) } }
  const down = canaries.find(({ member }) => !member.node.ready)
  if (down) return { delay: { why: waits('CanaryNotReady', `canary ${down.member.node.name} is not Ready`) } }
  const until = Math.max(...canaries.map(({ member }) => Date.parse(member.node.readySince ?? '') || 0), proven) + soak
  if (now.getTime() >= until) return {}
  const names = list(canaries.map(({ member }) => member.node.name))
  const end = `${new Date(until).toISOString().slice(0, 19).replace('T', ' ')} UTC`
  const message = `${canaries.length === 1 ? 'Canary' : 'Canaries'} ${names} soaking until ${end}`
  return { delay: { why: { reason: 'CanarySoaking', message }, lookAgainMilliseconds: until - now.getTime() } }
}

/** When the node's change was proven and let commit; never when it is not committed. */
function provenAt({ member: { runtime } }: Candidate): number {
  if (!isRepeatedProof(runtime) && outcomeOf(runtime)?.result !== 'Committed') return Number.POSITIVE_INFINITY
  const change = changeOf(runtime)
  // A record of before canaries were watched tells only the start.
  return Date.parse(change?.provenTime ?? change?.startTime ?? '') || 0
}

const stopped = (reason: string, what: string, { message }: Reason): Reason => ({
  reason,
  message: `The rollout stopped: ${what}. ${message}`,
})

function unfinished({ member, stage }: Candidate): Reason {
  const why = 'why' in stage ? `: ${stage.why.message}` : ''
  return waits('CanaryUnproven', `canary ${member.node.name} comes first${why}`)
}

const waits = (reason: string, message: string): Reason => ({ reason, message: `The rest waits: ${message}` })
