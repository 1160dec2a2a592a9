/**
 * The change as a careful person would script it: no plan, no journal, no proof, no way back. Reads `[{path, text}]` from
 * standard input: the files of the other state.
 */
import { execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { get } from 'node:http'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { ContainerState } from '../../../node-agent/cri/gen/runtime.ts'
import { RawCri } from './raw-cri.ts'

const systemctl = (verb: string, unit: string) => promisify(execFile)('systemctl', [verb, unit])

const healthy = (): Promise<boolean> =>
  new Promise((resolve) => {
    const request = get('http://127.0.0.1:10248/healthz', { agent: false }, (response) => {
      response.resume()
      resolve(response.statusCode === 200)
    })
    request.on('error', () => resolve(false))
  })

/** All pods at the same time, each container with a second to end by itself. */
async function removePods(): Promise<void> {
  const cri = new RawCri('/run/containerd/containerd.sock')
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

async function main(): Promise<void> {
  const files = JSON.parse(await text(process.stdin)) as { path: string; text: string }[]
  await systemctl('stop', 'kubelet.service')
  await removePods()
  await systemctl('stop', 'containerd.service')
  for (const { path, text } of files) writeFileSync(path, text)
  await systemctl('start', 'containerd.service')
  await systemctl('start', 'kubelet.service')
  while (!(await healthy())) await sleep(25)
}

main().catch((error: Error) => {
  process.stderr.write(`bare-switch: ${error.message}\n`)
  process.exitCode = 1
})
