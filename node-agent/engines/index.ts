/** The engines that Drydock can change, and those that it only leaves. */
import { containerd } from './containerd/index.ts'
import { crio } from './crio/index.ts'
import { docker } from './docker/index.ts'
import type { Engine, SourceEngine } from './engine.ts'

export const engines: readonly Engine[] = [containerd, crio]

/** Every engine that a node may have. */
const sources: readonly SourceEngine[] = [...engines, docker]

export function engineByName(name: string): Engine | undefined {
  return engines.find((engine) => engine.name === name)
}

export function sourceByName(name: string | undefined): SourceEngine | undefined {
  return sources.find((engine) => engine.name === name)
}
