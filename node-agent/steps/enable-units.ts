import type { UnitChange } from '../journal/records.ts'
import type { Step, StepContext } from './step.ts'

type State = 'enabled' | 'disabled'
type Enabling = Pick<StepContext, 'host'> & { readonly change: Pick<StepContext['change'], 'units'> }

/** A unit without an [Install] section, or one that somebody has masked, is neither: it stays as it is. */
const isState = (state: string | undefined): state is State => state === 'enabled' || state === 'disabled'

/** Those that are not as they are to be. A unit that is not there, not any more or not yet, is passed over. */
async function set({ host, change }: Enabling, state: State, which: (unit: UnitChange) => boolean): Promise<void> {
  const names: string[] = []
  for (const unit of change.units.filter(which)) {
    const now = (await host.unit(unit.name)).enabled
    if (isState(now) && now !== state) names.push(unit.name)
  }
  // Also when a crash has come between the act and its fsync.
  await host.setEnabled(names, state === 'enabled')
}

/** Before the files of a unit go: its links would stay. */
export function disableAgain(enabling: Enabling): Promise<void> {
  return set(
    enabling,
    'disabled',
    ({ enabled: { before, after } }) => after !== undefined && (before === 'disabled' || before === ''),
  )
}

/** When the files of the unit are there. Enabling may have taken others along ("Also="), which were disabled. */
export async function enableAgain(enabling: Enabling): Promise<void> {
  await set(enabling, 'enabled', ({ enabled: { before, after } }) => after !== undefined && before === 'enabled')
  await disableAgain(enabling)
}

export const disableUnits: Step = {
  name: 'disable-units',
  apply: (context) => set(context, 'disabled', ({ enabled }) => enabled.after === 'disabled'),
  revert: enableAgain,
}

export const enableUnits: Step = {
  name: 'enable-units',
  apply: (context) => set(context, 'enabled', ({ enabled }) => enabled.after === 'enabled'),
  revert: disableAgain,
}
