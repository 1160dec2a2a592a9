import type { RuntimeProfile } from '../../../crds/types.gen.ts'
import type { Reason } from '../../rollout/types.ts'
import type { Gate, GateObjects } from './objects.ts'

/** Why the first gate that does not hold does not; undefined when all do. */
export async function askGates({ spec }: RuntimeProfile, objects: GateObjects): Promise<Reason | undefined> {
  for (const gate of spec.rollout?.gates ?? []) {
    const why = await askGate(gate, objects)
    if (why) return why
  }
  return undefined
}

async function askGate(gate: Gate, objects: GateObjects): Promise<Reason | undefined> {
  const { name, cel, message } = gate
  try {
    const bindings = await objects.read(gate)
    const { holds } = await import('./expression.ts')
    if (holds(cel, bindings)) return undefined
  } catch (error) {
    return { reason: 'GateError', message: `Gate ${name} cannot be asked: ${(error as Error).message}` }
  }
  return { reason: 'GateClosed', message: `Gate ${name} holds the rollout: ${message ?? `${cel} is false`}` }
}
