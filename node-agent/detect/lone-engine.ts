/** Which engine a host has whose kubelet does not say so: there is none, or it has not joined a cluster. */
import type { SourceEngine } from '../engines/engine.ts'
import { engines, sourceByName } from '../engines/index.ts'
import type { Host, UnitState } from '../host/host.ts'
import { withScheme } from '../kubelet/settings.ts'
import type { EngineSeen } from './kubelet-engine.ts'

const docker = 'docker'

/** The one that runs, before one that starts at boot, before one that is only installed. */
const ranks: readonly ((state: UnitState) => boolean)[] = [
  ({ activeState }) => activeState === 'active',
  ({ enabled }) => enabled === 'enabled',
  ({ loadState }) => loadState === 'loaded',
]

export async function loneEngine(host: Host): Promise<EngineSeen> {
  const { activeState } = await unitOf(host, sourceByName(docker))
  if (activeState === 'active') return { observed: { name: docker }, refusal: dockerRuns }
  const states = await Promise.all(engines.map(async (engine) => ({ engine, state: await unitOf(host, engine) })))
  for (const isSo of ranks) {
    for (const { engine, state } of states) {
      const found = isSo(state) ? await engine.detect(host) : undefined
      if (!found) continue
      const socket = withScheme(found.observed.engine?.socket ?? engine.endpoint)
      const observed = { ...found.observed.engine, name: engine.name, socket }
      return { observed, engine: { engine, found }, ...(found.refusal ? { refusal: found.refusal } : {}) }
    }
  }
  return { observed: { name: 'none' }, isVacant: true }
}

async function unitOf(host: Host, engine: SourceEngine | undefined): Promise<UnitState> {
  return host.unit(engine?.units.at(-1) ?? `${docker}.service`)
}

/** Its containers stand on containerd, and nobody has drained anything. */
const dockerRuns = {
  reason: 'EngineInUse',
  message:
    'Docker runs on this machine, which is no node of a cluster, and its containers stand on containerd: stop docker.service and docker.socket first, or leave this machine to Docker',
}
