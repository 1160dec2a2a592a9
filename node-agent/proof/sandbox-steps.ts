/** The life of the pod: sandbox and container made, started, stopped, removed. */
import { mkdir, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ContainerState } from '../cri/gen/runtime.ts'
import { networkNamespaceOf } from './netns.ts'
import { containerConfig } from './pod.ts'
import type { HandlerProof, HostPaths, Step } from './proof.ts'

export const runSandbox: Step<HandlerProof> = {
  name: 'RunPodSandbox',
  async run({ call, sandbox, handler, found }) {
    // The kubelet makes this folder; engines take it for granted.
    await mkdir(sandbox.logDirectory, { recursive: true })
    const runtimeHandler = handler.default ? '' : handler.name
    found.sandboxId = (await call('runPodSandbox', { config: sandbox, runtimeHandler })).podSandboxId
  },
}

export const sandboxStatus: Step<HandlerProof> = {
  name: 'PodSandboxStatus',
  async run({ call, found, options }) {
    const { status } = await call('podSandboxStatus', { podSandboxId: found.sandboxId })
    found.podIP = status?.network?.ip ?? ''
    if (!found.podIP && !options.isWithoutNetwork)
      throw new Error('the pod has no address: the pod network gave it none')
  },
}

export const createContainer: Step<HandlerProof> = {
  name: 'CreateContainer',
  async run({ call, options, handler, sandbox, found }) {
    const config = containerConfig(options, handler)
    const request = { podSandboxId: found.sandboxId, config, sandboxConfig: sandbox }
    found.containerId = (await call('createContainer', request)).containerId
  },
}

export const startContainer: Step<HandlerProof> = {
  name: 'StartContainer',
  async run({ call, found }) {
    await call('startContainer', { containerId: found.containerId })
  },
}

export const containerStatus: Step<HandlerProof> = {
  name: 'ContainerStatus',
  async run({ call, options, found }) {
    const { status, info } = await call('containerStatus', { containerId: found.containerId, verbose: true })
    if (status?.state !== ContainerState.CONTAINER_RUNNING) {
      const { exitCode, reason, message } = status ?? { exitCode: 0, reason: '', message: '' }
      const said = [reason, message].filter(Boolean).join(': ')
      throw new Error(`the container does not run (exit code ${exitCode}${said ? `, ${said}` : ''})`)
    }
    found.pid = pidIn(info['info']) ?? (await pidOf(options.paths, found.containerId))
    // That of the host is nobody's to remove.
    if (options.isWithoutNetwork) return
    const netns = await networkNamespaceOf(options.paths, found.pid)
    if (netns !== undefined) found.netns = netns
  },
}

/** Undefined when the engine does not say, as cri-dockerd before 0.3.16. */
function pidIn(info: string | undefined): number | undefined {
  try {
    const { pid } = JSON.parse(info ?? '') as { pid?: unknown }
    return typeof pid === 'number' && pid > 1 ? pid : undefined
  } catch {
    return undefined
  }
}

/** The first process that the kernel has in a cgroup of the container's name. */
async function pidOf({ proc }: HostPaths, containerId: string): Promise<number> {
  const pids = (await readdir(proc)).map(Number).filter((pid) => pid > 1)
  for (const pid of pids.sort((a, b) => a - b)) {
    const cgroups = await readFile(join(proc, String(pid), 'cgroup'), 'utf8').catch(() => '')
    if (cgroups.includes(containerId)) return pid
  }
  throw new Error('neither the engine nor the kernel names a process of the container')
}

export const stopContainer: Step<HandlerProof> = {
  name: 'StopContainer',
  async run({ call, found }) {
    await call('stopContainer', { containerId: found.containerId, timeout: 2n })
  },
}

export const removeContainer: Step<HandlerProof> = {
  name: 'RemoveContainer',
  async run({ call, found }) {
    await call('removeContainer', { containerId: found.containerId })
  },
}

export const stopSandbox: Step<HandlerProof> = {
  name: 'StopPodSandbox',
  async run({ call, found }) {
    await call('stopPodSandbox', { podSandboxId: found.sandboxId })
  },
}

export const removeSandbox: Step<HandlerProof> = {
  name: 'RemovePodSandbox',
  async run({ call, found }) {
    await call('removePodSandbox', { podSandboxId: found.sandboxId })
  },
}
