/**
 * The change as a careful person would script it: no plan, no journal, no proof, no way back. Reads a BareChange from
 * standard input.
 */
import { execFile } from 'node:child_process'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { get } from 'node:http'
import { dirname } from 'node:path'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { ContainerState } from '../../../node-agent/cri/gen/runtime.ts'
import { RawCri } from './raw-cri.ts'

/** All that is known before it begins. */
export interface BareChange {
  /** The socket of the engine that pods are removed through; without one they stay. */
  readonly removeThrough?: string
  /** Units, in the order in which each is done. */
  readonly stop: readonly string[]
  readonly disable: readonly string[]
  readonly enable: readonly string[]
  readonly start: readonly string[]
  /** Without a text there is none afterwards. */
  readonly files: readonly BareFile[]
  /** The socket of the engine that must answer before the kubelet starts. */
  readonly waitFor: string
  /** Command lines that bring images out of the former engine, and into the new one. */
  readonly exporting: readonly (readonly string[])[]
  readonly importing: readonly (readonly string[])[]
}

export interface BareFile {
  readonly path: string
  readonly text?: string
}

const everyMs = 25
const unitFolders = /^\/(etc|usr\/local\/lib)\/systemd\/system\//

async function run([program = '', ...args]: readonly string[]): Promise<void> {
  await promisify(execFile)(program, args)
}

async function systemctl(verb: string, units: readonly string[]): Promise<void> {
  if (units.length > 0) await run(['systemctl', verb, ...units])
}

const healthy = (): Promise<boolean> =>
  new Promise((resolve) => {
    const request = get('http://127.0.0.1:10248/healthz', { agent: false }, (response) => {
      response.resume()
      resolve(response.statusCode === 200)
    })
    request.on('error', () => resolve(false))
  })

/** A client that has once found nobody waits before it tries again: each try has its own. */
async function serves(socket: string): Promise<boolean> {
  const cri = new RawCri(socket)
  try {
    const { status } = await cri.call('status', {})
    return status?.conditions.some(({ type, status }) => type === 'RuntimeReady' && status) ?? false
  } catch {
    return false
  } finally {
    cri.close()
  }
}

/** All pods at the same time, each container with a second to end by itself. */
async function removePods(socket: string): Promise<void> {
  const cri = new RawCri(socket)
  const { items } = await cri.call('listPodSandbox', {})
  const { containers } = await cri.call('listContainers', {})
  const remove = async (podSandboxId: string): Promise<void> => {
    const own = containers.filter((container) => container.podSandboxId === podSandboxId)
    const running = own.filter(({ state }) => state === ContainerState.CONTAINER_RUNNING)
    await Promise.all(running.map(({ id }) => cri.call('stopContainer', { containerId: id, timeout: 1n })))
    await cri.call('stopPodSandbox', { podSandboxId })
    await cri.call('removePodSandbox', { podSandboxId })
  }
  await Promise.all(items.map(({ id }) => remove(id)))
  cri.close()
}

function write({ path, text }: BareFile): void {
  if (text === undefined) rmSync(path, { force: true })
  else {
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, text)
  }
}

async function main(): Promise<void> {
  const change = JSON.parse(await text(process.stdin)) as BareChange
  for (const command of change.exporting) await run(command)
  await systemctl('stop', ['kubelet.service'])
  if (change.removeThrough !== undefined) await removePods(change.removeThrough)
  await systemctl('stop', change.stop)
  await systemctl('disable', change.disable)
  for (const file of change.files) write(file)
  if (change.files.some(({ path }) => unitFolders.test(path))) await run(['systemctl', 'daemon-reload'])
  await systemctl('enable', change.enable)
  await systemctl('start', change.start)
  while (!(await serves(change.waitFor))) await sleep(everyMs)
  for (const command of change.importing) await run(command)
  await systemctl('start', ['kubelet.service'])
  while (!(await healthy())) await sleep(everyMs)
}

main().catch((error: Error) => {
  process.stderr.write(`bare-switch: ${error.message}\n`)
  process.exitCode = 1
})
