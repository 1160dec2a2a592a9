/**
 * `prove-pairs IMAGE PAIRS`: proves runc and crun PAIRS times each, in turn with the same calls in the same order with the
 * same parameters by the raw client. Prints one JSON line. The kubelet must rest, and the node be on the systemd driver.
 */
import { randomUUID } from 'node:crypto'
import { mkdir, rm } from 'node:fs/promises'
import { systemClock } from '../../../kube/clock.ts'
import type { Request, Response, Rpc } from '../../../node-agent/cri/client.ts'
import { CriClient } from '../../../node-agent/cri/client.ts'
import { proofProgram } from '../../../node-agent/proof/contract.ts'
import { containerConfig, labelsOf, sandboxConfig } from '../../../node-agent/proof/pod.ts'
import type { ProofHandler, ProofOptions, Timing } from '../../../node-agent/proof/proof.ts'
import { prove } from '../../../node-agent/proof/prove.ts'
import { RawCri } from './raw-cri.ts'

export interface Run {
  readonly milliseconds: number
  readonly calls: readonly Timing[]
}

export interface ProofPair {
  readonly handler: string
  readonly ours: Run
  readonly yardstick: Run
}

const socket = '/run/containerd/containerd.sock'
const handlers: readonly ProofHandler[] = [
  { name: 'runc', default: true },
  { name: 'crun', default: false },
]

const optionsOf = (client: CriClient, handler: ProofHandler, image: string): ProofOptions => ({
  client,
  handlers: [handler],
  image,
  cgroupDriver: 'systemd',
  cgroupVersion: 'v1',
  kubeletDriver: 'systemd',
  id: randomUUID(),
  timeoutMs: 60_000,
  cleanUpMs: 30_000,
  clock: systemClock,
  logDirectory: '/var/log/pods',
  paths: { proc: '/proc', cgroup: '/sys/fs/cgroup', netns: '/run/netns' },
})

async function ours(options: ProofOptions): Promise<Run> {
  const start = performance.now()
  const { verification, calls } = await prove(options)
  const milliseconds = performance.now() - start
  if (!verification.passed) throw new Error(`the proof failed: ${verification.message}`)
  return { milliseconds, calls: [...calls, ...(verification.handlers?.[0]?.calls ?? [])] }
}

async function yardstick(client: RawCri, options: ProofOptions): Promise<Run> {
  const [handler] = options.handlers
  if (!handler) throw new Error('no handler')
  const calls: Timing[] = []
  const call = async <R extends Rpc>(rpc: R, request: Request<R>): Promise<Response<R>> => {
    const start = performance.now()
    try {
      return await client.call(rpc, request)
    } finally {
      calls.push({ name: rpc, milliseconds: Math.round(performance.now() - start) })
    }
  }
  const start = performance.now()
  const sandbox = sandboxConfig(options, handler)
  const labelSelector = labelsOf(options.id, handler)
  await call('version', {})
  await call('status', {})
  // containerd before 2.0 has none, which is an answer, too.
  await call('runtimeConfig', {}).catch(() => undefined)
  await call('imageStatus', { image: { image: options.image } })
  await call('listPodSandbox', {})
  await mkdir(sandbox.logDirectory, { recursive: true })
  const { podSandboxId } = await call('runPodSandbox', {
    config: sandbox,
    runtimeHandler: handler.default ? '' : handler.name,
  })
  await call('podSandboxStatus', { podSandboxId })
  const config = containerConfig(options, handler)
  const { containerId } = await call('createContainer', { podSandboxId, config, sandboxConfig: sandbox })
  await call('startContainer', { containerId })
  await call('containerStatus', { containerId, verbose: true })
  await call('execSync', { containerId, cmd: [...proofProgram, 'token'], timeout: 10n })
  await call('stopContainer', { containerId, timeout: 2n })
  await call('removeContainer', { containerId })
  await call('stopPodSandbox', { podSandboxId })
  await call('removePodSandbox', { podSandboxId })
  await call('listPodSandbox', { filter: { labelSelector } })
  await call('listContainers', { filter: { podSandboxId: '', labelSelector } })
  await rm(sandbox.logDirectory, { recursive: true })
  return { milliseconds: performance.now() - start, calls }
}

async function main(): Promise<void> {
  const [image = '', count = ''] = process.argv.slice(2)
  const client = new CriClient(socket)
  const raw = new RawCri(socket)
  const pairs: ProofPair[] = []
  const both = async (handler: ProofHandler, isOursFirst: boolean): Promise<ProofPair> => {
    const first = isOursFirst && (await ours(optionsOf(client, handler, image)))
    const second = await yardstick(raw, optionsOf(client, handler, image))
    return { handler: handler.name, ours: first || (await ours(optionsOf(client, handler, image))), yardstick: second }
  }
  // What is done for the first time loads programs from disk and compiles code: that is neither's.
  for (const handler of handlers) await both(handler, true)
  for (let index = 0; index < Number(count); index++) {
    for (const handler of handlers) pairs.push(await both(handler, index % 2 === 0))
  }
  client.close()
  raw.close()
  process.stdout.write(JSON.stringify(pairs))
}

main().catch((error: Error) => {
  process.stderr.write(`prove-pairs: ${error.message}\n`)
  process.exitCode = 1
})
