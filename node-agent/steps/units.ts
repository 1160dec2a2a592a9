/** Which units a change stops and starts, and in which order. Pure. */
import type { Change, UnitChange } from '../journal/records.ts'

type Units = Pick<Change, 'from' | 'to' | 'units'>

/** Docker stands on containerd, whichever of the two is left: its own units start last and stop first. */
function ordered({ from, to }: Units, units: readonly UnitChange[]): readonly string[] {
  const docker = [from, to].find(({ name }) => name === 'docker')?.units ?? []
  const names = units.map(({ name }) => name)
  return [...names.filter((name) => !docker.includes(name)), ...docker.filter((name) => names.includes(name))]
}

/** Every unit that the change may touch, in the order of stopping. */
export function toStop(change: Units): readonly string[] {
  return ordered(
    change,
    change.units.filter(({ runsOn }) => !runsOn),
  ).toReversed()
}

/** In the order of starting. */
export function toStart(change: Units): readonly string[] {
  return ordered(
    change,
    change.units.filter(({ runs, runsOn }) => runs.after && !runsOn),
  )
}

/** In the order of starting them again. */
export function toStartAgain(change: Units): readonly string[] {
  return ordered(
    change,
    change.units.filter(({ runs, runsOn }) => runs.before && !runsOn),
  )
}

/** Those that must never have stopped; one that depends on a unit that was stopped may have, all the same. */
export function toRunOn({ units }: Units): readonly string[] {
  return units.filter(({ runsOn }) => runsOn).map(({ name }) => name)
}
