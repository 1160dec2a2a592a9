/** The pod of a proof: how it is named, labelled and limited, so that it is found again and read back. */
import { join } from 'node:path'
import { type ContainerConfig, NamespaceMode, type PodSandboxConfig } from '../cri/gen/runtime.ts'
import { proofProgram } from './contract.ts'
import type { CgroupDriver, ProofHandler, ProofOptions } from './proof.ts'

/** On every sandbox and container of a proof, with the proof's id: by it leftovers are known. */
export const proofLabel = 'drydock.dev/proof'
export const handlerLabel = 'drydock.dev/proof-handler'

/** Log folders of proofs begin so. */
export const logFolderPrefix = 'drydock-proof_'

/** Enough for two small Node processes; no engine or kernel has it as its own default. */
export const memoryLimitBytes = 128 * 1024 * 1024
/** Microseconds of one processor in each period: one whole processor. */
export const cpu = { period: 100_000, quota: 100_000 } as const

/**
 * For systemd a slice that every systemd has: one of our own would stay behind as a unit when the pod is gone. For cgroupfs
 * a path of our own, which is an empty folder afterwards and is removed.
 */
export const cgroupParent: Readonly<Record<CgroupDriver, string>> = {
  systemd: 'system.slice',
  cgroupfs: '/drydock-proof',
}

/** As the kubelet has it for a pod that asks for nothing special. */
const namespaceOptions = ({ isWithoutNetwork }: ProofOptions) => ({
  network: isWithoutNetwork ? NamespaceMode.NODE : NamespaceMode.POD,
  pid: NamespaceMode.CONTAINER,
  ipc: NamespaceMode.POD,
})

export const labelsOf = (id: string, handler: ProofHandler): Record<string, string> => ({
  [proofLabel]: id,
  [handlerLabel]: handler.name,
})

export function sandboxConfig(options: ProofOptions, handler: ProofHandler): PodSandboxConfig {
  const { id, cgroupDriver, logDirectory } = options
  const name = `drydock-proof-${handler.name}`
  return {
    // Engines reserve (name, uid, namespace, attempt): the id keeps a proof apart from the remains of another.
    metadata: { name, uid: id, namespace: 'drydock-proof', attempt: 0 },
    // The name of the host belongs to its network.
    hostname: options.isWithoutNetwork ? '' : name.slice(0, 63),
    logDirectory: join(logDirectory, `${logFolderPrefix}${handler.name}_${id}`),
    labels: labelsOf(id, handler),
    linux: {
      cgroupParent: cgroupParent[cgroupDriver],
      securityContext: { namespaceOptions: namespaceOptions(options) },
    },
  }
}

/** Below the sandbox's log_directory. */
export const logPath = 'proof.log'

export function containerConfig(options: ProofOptions, handler: ProofHandler): ContainerConfig {
  return {
    metadata: { name: 'proof', attempt: 0 },
    image: { image: options.image },
    command: [...proofProgram, options.isWithoutNetwork ? 'stay' : 'serve', options.id],
    labels: labelsOf(options.id, handler),
    logPath,
    linux: {
      resources: {
        cpuPeriod: BigInt(cpu.period),
        cpuQuota: BigInt(cpu.quota),
        memoryLimitInBytes: BigInt(memoryLimitBytes),
      },
      securityContext: { namespaceOptions: namespaceOptions(options) },
    },
  }
}
