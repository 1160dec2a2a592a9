/** The steps of a switch, in their order. */
import type { Change } from '../journal/records.ts'
import { prove } from './prove.ts'
import { removePods } from './remove-pods.ts'
import { startEngine } from './start-engine.ts'
import { startKubelet } from './start-kubelet.ts'
import type { Step, StepName } from './step.ts'
import { stopEngine } from './stop-engine.ts'
import { stopKubelet } from './stop-kubelet.ts'
import { writeFiles } from './write-files.ts'

export const steps: Readonly<Record<StepName, Step>> = {
  'stop-kubelet': stopKubelet,
  'remove-pods': removePods,
  'stop-engine': stopEngine,
  'write-files': writeFiles,
  'start-engine': startEngine,
  prove,
  'start-kubelet': startKubelet,
}

/** What a change is made of: the less it disrupts, the fewer steps. */
export function stepsOf({ action, files }: Pick<Change, 'action' | 'files'>): readonly StepName[] {
  const restarts = action !== 'None'
  return [
    'stop-kubelet',
    ...(action === 'DrainRestart' ? (['remove-pods'] as const) : []),
    ...(restarts ? (['stop-engine'] as const) : []),
    ...(files.length > 0 ? (['write-files'] as const) : []),
    ...(restarts ? (['start-engine'] as const) : []),
    'prove',
    'start-kubelet',
  ]
}

/** A node that has booted since its proof is proven again as it is. */
export const stepsAgain: readonly StepName[] = ['stop-kubelet', 'prove', 'start-kubelet']
