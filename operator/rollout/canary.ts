/** The first nodes of a rollout: they are changed and watched before the rest follows. */
import { parseDuration } from '../../crds/duration.ts'
import { list } from './budget.ts'
import { turnOf } from './marks.ts'
import { outcomeOf } from './outcome.ts'
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
    ...begun.toSorted((a, b) => Date.parse(a.start || epoch) - Date.parse(b.start || epoch)),
    ...candidates.filter(({ start }) => start === undefined),
  ]
  const canaries = ranked.slice(0, wanted.nodes ?? 1)
  const names = new Set(canaries.map(({ member }) => member.node.name))
  const rest = ranked.slice(canaries.length)
  if (!rest.some(({ stage }) => pending.includes(stage.at))) return undefined
  return { names, ...verdict(canaries, rest, { soak: parseDuration(wanted.soak), now: wish.now }) }
}

const epoch = '1970-01-01T00:00:00Z'

/** A node that had its turn, or can have it: one that cannot be changed now lets the next one pass. */
function candidateOf({ member, stage }: Staged, { revision }: Wish): Candidate | undefined {
  const { node, runtime, intent } = member
  if (!isKnown(member) || intent.kind !== 'target') return undefined
  const start = runtime?.spec?.revision === revision ? startOf(member) : undefined
  const isNext = node.ready && !node.deleting && (pending.includes(stage.at) || stage.at === 'failed')
  return start !== undefined || isNext ? { member, stage, start } : undefined
}

const isKnown = (member: Member): member is Known => member.runtime !== undefined

function startOf(member: Known): string | undefined {
  const hasGivenUp = outcomeOf(member.runtime)?.result === 'GaveUp'
  return startedAt(member) ?? (member.node.cordon || hasGivenUp ? '' : undefined)
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
  const failed = canaries.flatMap(({ stage }) => (stage.at === 'failed' ? [stage.why] : []))
  if (failed[0]) return { stop: stopped('CanaryFailed', 'a canary failed', failed[0]) }
  const proven = Math.max(...canaries.map(provenAt))
  // Whoever began after the soak was let through: what befalls a canary later holds nobody back.
  if (rest.some(({ start }) => start && Date.parse(start) >= proven + soak)) return {}
  const drifted = canaries.flatMap(({ stage }) => (stage.at === 'drifted' ? [stage.why] : []))
  if (drifted[0]) return { stop: stopped('CanaryDrifted', 'a canary has drifted', drifted[0]) }
  const behind = canaries.find(({ stage }) => stage.at !== 'done')
  if (behind) return { delay: { why: unfinished(behind) } }
  const down = canaries.find(({ member }) => !member.node.ready)
  if (down) return { delay: { why: waits('CanaryNotReady', `canary ${down.member.node.name} is not Ready`) } }
  const until = Math.max(...canaries.map(({ member }) => Date.parse(member.node.readySince ?? epoch)), proven) + soak
  if (now.getTime() >= until) return {}
  const names = list(canaries.map(({ member }) => member.node.name))
  const end = `${new Date(until).toISOString().slice(0, 19).replace('T', ' ')} UTC`
  const message = `${canaries.length === 1 ? 'Canary' : 'Canaries'} ${names} soaking until ${end}`
  return { delay: { why: { reason: 'CanarySoaking', message }, lookAgainMilliseconds: until - now.getTime() } }
}

/** When the node was proven and let commit; never while it was not. */
function provenAt({ member }: Candidate): number {
  return Date.parse(turnOf(member.runtime)?.provenTime ?? '') || Number.POSITIVE_INFINITY
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
