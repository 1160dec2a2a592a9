/** When changes that disrupt may start: a cron expression in a time zone opens a window for a while. */
import { Cron } from 'croner'
import { parseDuration } from '../../crds/duration.ts'
import type { RuntimeProfile } from '../../crds/types.gen.ts'
import type { Delay, Reason, Stage } from './types.ts'

type Window = NonNullable<NonNullable<RuntimeProfile['spec']['rollout']>['window']>

export type Opening =
  | { readonly is: 'open'; readonly until: Date }
  /** `opens`: when, as people read it. */
  | { readonly is: 'closed'; readonly until: Date; readonly opens: string }
  /** Nobody can say when it opens; a person has to correct it. */
  | { readonly is: 'invalid'; readonly why: Reason }

/** Reason of a stop that only another window ends. */
export const windowInvalid = 'WindowInvalid'

const defaultTimeZone = 'UTC'

/**
 * Whether the window is open at this time. A window that starts in an hour that the clock skips opens right after the
 * gap; one whose start comes twice opens at the first; it stays open for its duration, whatever clocks do meanwhile.
 */
export function openingOf({ cron, duration, timeZone = defaultTimeZone }: Window, now: Date): Opening {
  if (!isTimeZone(timeZone)) {
    return invalid(`timeZone ${timeZone} is unknown; write the IANA name of a time zone such as Asia/Ho_Chi_Minh`)
  }
  const milliseconds = parseDuration(duration)
  let start: Date | null
  try {
    const starts = new Cron(cron, { timezone: timeZone, mode: '5-part', fixedTimeRule: 'no-wildcard', paused: true })
    // The first start after the moment in which a window would have to begin to end just now.
    start = starts.nextRun(new Date(now.getTime() - milliseconds))
  } catch (error) {
    return invalid(`cron ${cron} says no time (${String(error)}); write one such as 0 1 * * MON-FRI`)
  }
  if (!start) return invalid(`cron ${cron} says a time that never comes; write one such as 0 1 * * MON-FRI`)
  return start <= now
    ? { is: 'open', until: new Date(start.getTime() + milliseconds) }
    : { is: 'closed', until: start, opens: `${wallClock(start, timeZone)} (${timeZone})` }
}

const invalid = (what: string): Opening => ({
  is: 'invalid',
  why: { reason: windowInvalid, message: `No node is changed: spec.rollout.window.${what}` },
})

function isTimeZone(timeZone: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone })
    return true
  } catch {
    return false
  }
}

/** Why a change of this kind must not start now. One that neither drains nor restarts anything waits for no window. */
export function outsideWindow(
  opening: Opening | undefined,
  node: string,
  { action, now }: { action: Extract<Stage, { at: 'startable' }>['action']; now: Date },
): Delay | undefined {
  if (opening?.is !== 'closed' || action === 'None') return undefined
  const { until, opens } = opening
  return {
    why: { reason: 'OutsideWindow', message: `${node} waits for its window: opens at ${opens}` },
    lookAgainMilliseconds: until.getTime() - now.getTime(),
  }
}

/** 2026-01-02 01:00, as a clock in that time zone shows it. */
function wallClock(time: Date, timeZone: string): string {
  // Swedish is the locale whose short forms are those of ISO 8601.
  return new Intl.DateTimeFormat('sv-SE', { timeZone, dateStyle: 'short', timeStyle: 'short' }).format(time)
}
