import type { RuntimeProfile } from '../../../crds/types.gen.ts'
import type { Clock } from '../../../kube/clock.ts'
import { type Opening, openingOf } from '../../rollout/window.ts'

interface Known {
  /** Of the window that it was worked out for: another makes it void. */
  readonly window: string
  readonly opening: Opening
  readonly from: Date
}

/** The windows of profiles, worked out once for as long as the answer stands: a time zone costs more than all the rest of a plan. */
export class WindowClock {
  readonly #clock: Pick<Clock, 'now'>
  readonly #known = new Map<string, Known>()

  constructor(clock: Pick<Clock, 'now'>) {
    this.#clock = clock
  }

  opening({ metadata, spec }: RuntimeProfile): Opening | undefined {
    const wanted = spec.rollout?.window
    if (!wanted) return undefined
    const now = this.#clock.now()
    const window = JSON.stringify(wanted)
    const known = this.#known.get(metadata.name)
    if (known?.window === window && stands(known, now)) return known.opening
    const opening = openingOf(wanted, now)
    this.#known.set(metadata.name, { window, opening, from: now })
    return opening
  }

  forget(profile: string): void {
    this.#known.delete(profile)
  }
}

/** The clock of the operator may be set back meanwhile. */
function stands({ opening, from }: Known, now: Date): boolean {
  return now >= from && (opening.is === 'invalid' || now < opening.until)
}
