/** What must be true of the engine before a pod is worth trying. */
import { engineCgroupDriver } from '../cri/client.ts'
import { cleanUpProofs } from './clean-up.ts'
import { poll } from './poll.ts'
import type { EngineProof, Step } from './proof.ts'

const version: Step<EngineProof> = {
  name: 'Version',
  async run({ call, found }) {
    const { runtimeName, runtimeVersion } = await call('version', {})
    found.runtime = { name: runtimeName, version: runtimeVersion }
  },
}

/** Engines read the network's configuration beside their start: NetworkReady may come a moment later. */
const status: Step<EngineProof> = {
  name: 'Status',
  async run({ call, options, remainingMs }) {
    let reason = ''
    const reported = await poll(
      { clock: options.clock, remainingMs },
      async () => {
        const answer = await call('status', {})
        const conditions = answer.status?.conditions ?? []
        const needed = options.isWithoutNetwork ? ['RuntimeReady'] : ['RuntimeReady', 'NetworkReady']
        const wrong = needed.find((name) => !conditions.some(({ type, status }) => type === name && status))
        if (!wrong) return answer.runtimeHandlers.map(({ name }) => name)
        const said = conditions.find(({ type }) => type === wrong)
        reason = `${wrong} is not true: ${said?.message || said?.reason || 'the engine gives no reason'}`
        return undefined
      },
      () => reason,
    )
    // Engines before CRI of Kubernetes 1.30 report none.
    const absent = reported.length > 0 ? options.handlers.find(({ name }) => !reported.includes(name)) : undefined
    if (!absent) return
    const loaded = reported.filter(Boolean).join(', ')
    throw new Error(`the engine did not load handler ${absent.name}; it has ${loaded}`)
  },
}

const runtimeConfig: Step<EngineProof> = {
  name: 'RuntimeConfig',
  async run({ options, found, remainingMs }) {
    const { cgroupDriver: wanted, kubeletDriver } = options
    const driver = await engineCgroupDriver(options.client, remainingMs())
    if (driver) found.driver = driver
    if (driver && driver !== wanted) {
      throw new Error(
        `the engine uses cgroup driver ${driver}, but ${wanted} is wanted: its configuration is not in use`,
      )
    }
    if (kubeletDriver && kubeletDriver !== wanted) {
      throw new Error(
        `the kubelet is set to cgroup driver ${kubeletDriver} and the engine to ${wanted}: set both to the same, ` +
          'or pods land in two hierarchies of cgroups',
      )
    }
  },
}

const image: Step<EngineProof> = {
  name: 'ImageStatus',
  async run({ call, options }) {
    const { image: found } = await call('imageStatus', { image: { image: options.image } })
    if (!found) throw new Error(`image ${options.image} is not on the node: the engine must have it before the proof`)
  },
}

const leftovers: Step<EngineProof> = {
  name: 'CleanUp',
  run: ({ options, remainingMs }) => cleanUpProofs(options, Math.min(options.cleanUpMs, remainingMs())),
}

/** In this order, once a proof. */
export const engineSteps: readonly Step<EngineProof>[] = [version, status, runtimeConfig, image, leftovers]
