/** How fast a rollout may go: its canaries, and the window that it keeps to. Data, and a clock on the wall to hold it against. */
import { generator } from './schedule.ts'

export interface Canary {
  readonly nodes: number
  readonly soak: string
}

/** Opens in each so many-th minute of an hour, on the clocks of its zone. */
export interface Window {
  readonly everyMinutes: number
  readonly minutes: number
  readonly timeZone: string
}

export interface Pace {
  readonly canary?: Canary
  readonly window?: Window
  /** Nothing starts unless an object says that it may. */
  readonly gate?: boolean
  /** A node that is no longer what was proven is brought back. */
  readonly repairs?: boolean
}

/** What a person makes of it; null takes it away. */
export type PaceEdit = { readonly canary: Canary | null } | { readonly window: Window | null }

/** Where the clocks of a script start. */
const starts = [
  Date.UTC(2026, 2, 1),
  // A few minutes later clocks in Europe skip an hour.
  Date.UTC(2026, 2, 29, 0, 57),
  // And here they show one twice.
  Date.UTC(2026, 9, 25, 0, 57),
] as const

const zones = ['UTC', 'Europe/Berlin', 'Asia/Kathmandu', 'America/St_Johns'] as const

export interface Paced {
  readonly startMs: number
  readonly pace: Pace
  readonly edits: readonly { readonly change: PaceEdit; readonly atMs: number }[]
}

/** From numbers of its own: what else a seed brings is the same with it and without. */
export function pacedOf(seed: number, untilMs: number): Paced {
  const random = generator(seed * 6151 + 12)
  const to = (limit: number): number => Math.floor(random() * limit)
  const pick = <T>(values: readonly T[]): T => values[to(values.length)]!
  const canary = (): Canary => ({ nodes: pick([1, 1, 2]), soak: pick(['30s', '60s', '90s']) })
  const window = (): Window => ({ everyMinutes: pick([2, 3, 4]), minutes: pick([1, 1, 2]), timeZone: pick(zones) })
  const hasCanary = random() < 0.35
  const hasWindow = random() < 0.25
  const edit = (): PaceEdit =>
    random() < 0.5 ? { canary: random() < 0.3 ? null : canary() } : { window: random() < 0.3 ? null : window() }
  const count = hasCanary || hasWindow ? to(3) : 0
  return {
    startMs: hasWindow ? pick(starts) : starts[0],
    pace: { ...(hasCanary && { canary: canary() }), ...(hasWindow && { window: window() }) },
    edits: Array.from({ length: count }, () => ({ change: edit(), atMs: 4_000 + to(untilMs) })),
  }
}

/** As a profile has it. */
export function windowSpec({ everyMinutes, minutes, timeZone }: Window) {
  return { cron: `*/${everyMinutes} * * * *`, duration: `${minutes}m`, timeZone }
}

type WindowSpec = ReturnType<typeof windowSpec>

/** Whether the window is open by clocks that show this time, worked out from the minute that they show. */
export function isOpenAt({ cron, duration, timeZone }: WindowSpec, time: Date): boolean {
  const shown = new Intl.DateTimeFormat('en', { timeZone, minute: 'numeric' }).format(time)
  return Number(shown) % Number.parseInt(cron.slice('*/'.length), 10) < Number.parseInt(duration, 10)
}
