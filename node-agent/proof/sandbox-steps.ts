/** The life of the pod: sandbox and container made, started, stopped, removed. */
import { mkdir } from 'node:fs/promises'
import { ContainerState } from '../cri/gen/runtime.ts'
import { networkNamespaceOf } from './netns.ts'
import { containerConfig } from './pod.ts'
import type { HandlerProof, Step } from './proof.ts'

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
  async run({ call, found }) {
    const { status } = await call('podSandboxStatus', { podSandboxId: found.sandboxId })
    found.podIP = status?.network?.ip ?? ''
    if (!found.podIP) throw new Error('the pod has no address: the pod network gave it none')
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
    found.pid = pidOf(info['info'])
    const netns = await networkNamespaceOf(options.paths, found.pid)
    if (netns !== undefined) found.netns = netns
  },
}

function pidOf(info: string | undefined): number {
  try {
    const { pid } = JSON.parse(info ?? '') as { pid?: unknown }
    if (typeof pid === 'number' && pid > 1) return pid
  } catch {
    // Said below: not JSON and no pid are the same to the reader.
  }
  throw new Error('the engine names no pid for the container, so the kernel cannot be asked about it')
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
