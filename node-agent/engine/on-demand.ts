/**
 * Detection, planning and CRI, loaded when the first order needs them: a third of the engine's memory, HTTP/2 alone 10 MB,
 * that an engine which only answers does without.
 */
import type { Clock } from '../../kube/clock.ts'
import type { Observed } from '../engines/engine.ts'
import type { Host } from '../host/host.ts'
import type { Runtime } from '../steps/step.ts'
import type { Plan } from './prepare.ts'

export async function lookAt(host: Host): Promise<Observed> {
  const { observe } = await import('../detect/observe.ts')
  return (await observe(host)).observed
}

export function changeParts(host: Host, clock: Clock): { readonly plan: Plan; readonly runtime: Runtime } {
  const loadRuntime = async (): Promise<Runtime> => (await import('./cri-runtime.ts')).criRuntime(clock)
  return {
    plan: async (order, pasts, memory) => {
      // The runtime too: what is loaded now does not make the kubelet wait later.
      const [{ planner }] = await Promise.all([import('./planning.ts'), loadRuntime()])
      return planner(host)(order, pasts, memory)
    },
    runtime: {
      ready: async (endpoint, limit) => (await loadRuntime()).ready(endpoint, limit),
      removePods: async (endpoint, limit) => (await loadRuntime()).removePods(endpoint, limit),
      prove: async (endpoint, wanted, limit) => (await loadRuntime()).prove(endpoint, wanted, limit),
    },
  }
}
