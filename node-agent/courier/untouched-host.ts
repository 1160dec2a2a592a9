/** The answers for a host that has no engine, because the installer left it as it is. */
import type { NodeRuntimeStatus } from '../../crds/types.gen.ts'
import { rfc3339 } from '../../kube/clock.ts'
import type { Handover } from '../installer/handover.ts'
import type { Engine, EngineState, Order } from './engine-client.ts'

type Unsupported = Extract<Handover, { supported: false }>

/** Stands where the engine stands on other hosts: it sees, refuses every change, and has nothing to remove. */
export function untouchedHost(host: Unsupported, agentVersion: string, now: () => Date): Engine {
  const since = rfc3339(now()).replace(/\.\d+Z$/, 'Z')
  let state = stateOf(0, {})
  function stateOf(seq: number, answer: NodeRuntimeStatus): EngineState {
    const { reason, message, os } = host
    const conditions: NonNullable<NodeRuntimeStatus['conditions']> = [
      { type: 'Supported', status: 'False', reason, message, lastTransitionTime: since },
    ]
    return { run: 'untouched', seq, status: { ...answer, agentVersion, reason, message, observed: { os }, conditions } }
  }
  return {
    state: async () => state,
    put: async (order) => {
      state = stateOf(state.seq + 1, answerTo(order))
      return state
    },
  }
}

function answerTo({ permit, revision, attempt, generation }: Order): NodeRuntimeStatus {
  const phase = permit === 'Observe' ? 'Observed' : permit === 'Remove' ? 'Removed' : 'Refused'
  return {
    phase,
    observedGeneration: generation,
    ...(revision !== undefined && { revision }),
    ...(attempt !== undefined && { attempt }),
  }
}
