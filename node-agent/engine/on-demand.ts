/**
 * Detection, planning and CRI, loaded when the first order needs them: a third of the engine's memory, HTTP/2 alone 10 MB,
 * that an engine which only answers does without.
 */
import type { Clock } from '../../kube/clock.ts'
import type { Observing } from '../detect/observe.ts'
import type { ImageStore, Observed, Side } from '../engines/engine.ts'
import type { Host } from '../host/host.ts'
import { systemStaging } from '../host/system-staging.ts'
import type { Provisions, Runtime } from '../steps/step.ts'
import type { Changing } from './change.ts'
import type { Embedding } from './planning.ts'
import type { Plan } from './prepare.ts'

export async function lookAt(host: Host, observing?: Observing): Promise<Observed> {
  const { observe } = await import('../detect/observe.ts')
  return (await observe(host, observing)).observed
}

/** Planning asked it whether it can before any image was named. */
async function storeOf(name: Side['name']): Promise<ImageStore> {
  const { sourceByName } = await import('../engines/index.ts')
  const store = sourceByName(name)?.images
  if (!store) throw new Error(`Drydock cannot carry images from or to ${name}.`)
  return store
}

async function sizeOf(host: Host, file: string): Promise<number> {
  return Number((await host.run(['stat', '--format=%s', '--', file], { timeoutMs: 10_000 })).stdout)
}

export interface ChangeParts {
  readonly plan: Plan
  readonly runtime: Runtime
  readonly provisions: Provisions
  readonly tidy: Changing['tidy']
  readonly residue: Changing['residue']
}

export interface Changes {
  readonly host: Host
  readonly clock: Clock
  readonly stateFolder: string
  readonly embedded?: Embedding
  /** The node stays as it is, whatever an order says. */
  readonly isOnlyProof?: boolean
}

export function changeParts({ host, clock, stateFolder, embedded, isOnlyProof }: Changes): ChangeParts {
  const staging = systemStaging()
  const more = embedded ? { embedded } : {}
  const loadRuntime = async (): Promise<Runtime> => (await import('./cri-runtime.ts')).criRuntime(clock)
  return {
    plan: async (order, pasts, memory) => {
      // The runtime too: what is loaded now does not make the kubelet wait later.
      const [planning, { imageBytesAt, imagesAt }] = await Promise.all([
        import('./planning.ts'),
        import('./cri-runtime.ts'),
      ])
      const make = isOnlyProof ? planning.prover : planning.planner
      const cri = { imagesInUse: imagesAt, imageBytes: imageBytesAt }
      return make({ host, staging, clock, ...cri, stateFolder, ...more })(order, pasts, memory)
    },
    provisions: {
      install: async (packages) => (await import('../sources/packages/change.ts')).installPackages(host, packages),
      restore: async (packages) => (await import('../sources/packages/change.ts')).restorePackages(host, packages),
      removePods: async (from, timeoutMs) => {
        const { sourceByName } = await import('../engines/index.ts')
        return (await sourceByName(from)?.removePods?.(host, timeoutMs)) ?? 0
      },
      exportImages: async (from, { names, archive }, timeoutMs) => {
        await (await storeOf(from)).export(host, names, archive, timeoutMs)
        return sizeOf(host, archive)
      },
      importImages: async (to, { archive }, timeoutMs) => {
        await (await storeOf(to)).import(host, archive, timeoutMs)
        return sizeOf(host, archive)
      },
    },
    residue: async (former) => (await import('../kubelet/residue.ts')).residueOf(host, former),
    tidy: async ({ answer: _, ...memory }) => {
      const { removeUnused } = await import('../sources/unused.ts')
      const files = await Promise.all(Object.keys(memory.files).map((path) => host.readFile(path)))
      const texts = files.map((bytes) => bytes?.toString() ?? '')
      const loadEngines = () => import('../engines/index.ts')
      await removeUnused(
        { host, staging },
        [JSON.stringify(memory), ...texts],
        async () => (await loadEngines()).engines,
      )
      const former = memory.origin?.side.name
      if (former !== undefined) await (await loadEngines()).sourceByName(former)?.sweep?.(host)
    },
    runtime: {
      ready: async (endpoint, limit) => (await loadRuntime()).ready(endpoint, limit),
      pods: async (endpoint, limit) => (await loadRuntime()).pods(endpoint, limit),
      removePods: async (endpoint, limit, kept) => (await loadRuntime()).removePods(endpoint, limit, kept),
      pullMissing: async (endpoint, image, limit) => (await loadRuntime()).pullMissing(endpoint, image, limit),
      prove: async (endpoint, wanted, limit) => (await loadRuntime()).prove(endpoint, wanted, limit),
    },
  }
}
