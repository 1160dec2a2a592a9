/** The steps of a switch, in their order. */
import type { Change } from '../journal/records.ts'
import { disableUnits, enableUnits } from './enable-units.ts'
import { exportImages } from './export-images.ts'
import { importImages } from './import-images.ts'
import { installPackages } from './install-packages.ts'
import { prove } from './prove.ts'
import { removePods } from './remove-pods.ts'
import { isDrained, startEngine } from './start-engine.ts'
import { startKubelet } from './start-kubelet.ts'
import type { Step, StepName } from './step.ts'
import { stopEngine } from './stop-engine.ts'
import { stopKubelet } from './stop-kubelet.ts'
import { writeFiles } from './write-files.ts'

export const steps: Readonly<Record<StepName, Step>> = {
  'export-images': exportImages,
  'stop-kubelet': stopKubelet,
  'remove-pods': removePods,
  'stop-engine': stopEngine,
  'disable-units': disableUnits,
  // Before the packages: their scripts keep a configuration file that is there, and nobody finds one that was not planned.
  'write-files': writeFiles,
  'install-packages': installPackages,
  'enable-units': enableUnits,
  'start-engine': startEngine,
  'import-images': importImages,
  prove,
  'start-kubelet': startKubelet,
}

/** What of a change its steps follow from. */
export type Outline = Pick<Change, 'action' | 'archives' | 'files' | 'from' | 'to' | 'units' | 'packages' | 'images'>

/** Whether the node gets another engine; one that only becomes newer stays the same. */
export function isExchange({ from, to }: Pick<Change, 'from' | 'to'>): boolean {
  return from.name !== to.name
}

/** What a change is made of: the less it disrupts, the fewer steps. */
export function stepsOf(change: Outline): readonly StepName[] {
  const { action, archives = [], files, from, images, packages, to, units } = change
  const restarts = action !== 'None'
  // Nothing can be asked where there is to be no engine, as before Drydock, or where what speaks CRI rests with the kubelet.
  const isAsked = to.name !== 'none' && !to.isInKubelet
  const has: Readonly<Partial<Record<StepName, boolean>>> = {
    'export-images': images?.archive !== undefined,
    'remove-pods': isDrained(change) && from.name !== 'none',
    'stop-engine': restarts,
    'disable-units': units.some(({ enabled }) => enabled.after === 'disabled'),
    'install-packages': packages !== undefined,
    'write-files': files.length > 0,
    'enable-units': units.some(({ enabled }) => enabled.after === 'enabled'),
    'start-engine': restarts,
    'import-images': isAsked && (isExchange(change) || archives.length > 0),
    prove: isAsked,
  }
  return (Object.keys(steps) as StepName[]).filter((name) => has[name] ?? true)
}

/** A node that has booted since its proof is proven again as it is: what runs now is what systemd has started by itself. */
export function stepsAgain(change: Outline): readonly StepName[] {
  const again: readonly StepName[] = ['stop-kubelet', 'disable-units', 'enable-units', 'prove', 'start-kubelet']
  return stepsOf(change).filter((name) => again.includes(name))
}
