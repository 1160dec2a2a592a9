/** Pure: what becomes of the systemd units of the engines that a change concerns. */
import type { Side } from '../engines/engine.ts'
import type { UnitState } from '../host/host.ts'
import type { Origin } from '../journal/memory.ts'
import type { UnitChange } from '../journal/records.ts'

export interface UnitsInput {
  readonly from: Side
  readonly to: Side
  /** Of every unit of both sides, and of those that are to be as they were. */
  readonly states: ReadonlyMap<string, Pick<UnitState, 'activeState' | 'enabled'>>
  /** What becomes of the units of `from` when the engines differ. */
  readonly previous: 'keep' | 'disable'
  /** The node is to be what it was before Drydock. */
  readonly origin?: Origin
}

export function unitsNamed({ from, to, origin }: Pick<UnitsInput, 'from' | 'to' | 'origin'>): readonly string[] {
  return [...new Set([...from.units, ...to.units, ...(origin?.units ?? []).map(({ name }) => name)])]
}

type Switchable = 'enabled' | 'disabled'

function originally(name: string, { units }: Origin): Switchable | undefined {
  const enabled = units.find((unit) => unit.name === name)?.enabled
  if (enabled === '') return 'disabled'
  return enabled === 'enabled' || enabled === 'disabled' ? enabled : undefined
}

function enabledAfter(name: string, { from, to, previous, origin }: UnitsInput): Switchable | undefined {
  if (origin) return originally(name, origin)
  if (from.name === to.name) return undefined
  if (to.units.includes(name)) return 'enabled'
  return previous === 'disable' ? 'disabled' : undefined
}

function runsAfter(name: string, before: boolean, { to, previous, origin }: UnitsInput): boolean {
  if (to.units.includes(name)) return true
  if (origin) return origin.units.find((unit) => unit.name === name)?.runs ?? before
  return previous === 'keep' && before
}

/** Docker is never edited: what runs of it may go on. So may what is left to others. */
function runsOn(name: string, { from, to, previous, origin }: UnitsInput): boolean {
  if (to.units.includes(name)) return to.name === 'docker'
  return !origin && previous === 'keep' && from.units.includes(name)
}

export function unitChanges(input: UnitsInput): readonly UnitChange[] {
  return unitsNamed(input).map((name) => {
    const { activeState = 'inactive', enabled: state = '' } = input.states.get(name) ?? {}
    const before = activeState === 'active' || activeState === 'activating' || activeState === 'reloading'
    const after = enabledAfter(name, input)
    return {
      name,
      enabled: { before: state, ...(after && after !== state && { after }) },
      runs: { before, after: runsAfter(name, before, input) },
      ...(before && runsOn(name, input) && { runsOn: true }),
    }
  })
}
