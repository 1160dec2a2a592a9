/** The engines that Drydock can change. */
import { containerd } from './containerd/index.ts'
import type { Engine } from './engine.ts'

export const engines: readonly Engine[] = [containerd]

export function engineByName(name: string): Engine | undefined {
  return engines.find((engine) => engine.name === name)
}
