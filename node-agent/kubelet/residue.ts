/** What an exchange of engines leaves behind that nothing cleans up: told, never removed. */
import { join } from 'node:path/posix'
import type { Side } from '../engines/engine.ts'
import type { Host } from '../host/host.ts'

const containerLogs = '/var/log/containers'
const podLogs = '/var/log/pods'

/** One sentence each; none when the node is clean. `former` is the engine that the kubelet has left. */
export async function residueOf(host: Host, former: Side): Promise<readonly string[]> {
  return [...(await staleSocket(host, former)), ...(await danglingLogs(host))]
}

/** kubeadm refuses to guess between two sockets, whether anybody listens at them or not. */
async function staleSocket(host: Host, { name, units, endpoint }: Side): Promise<string[]> {
  const path = endpoint.replace(/^unix:(?:\/\/)?/, '')
  if ((await host.realPath(path)) === undefined) return []
  const states = await Promise.all(units.map((unit) => host.unit(unit)))
  if (states.some(({ activeState }) => activeState === 'active')) return []
  return [
    `The socket ${path} of ${name} is still there and nobody listens at it: remove it, or kubeadm asks for criSocket when it finds two.`,
  ]
}

/** Docker keeps the logs in its own folder, and the kubelet's folders only lead there. */
async function danglingLogs(host: Host): Promise<string[]> {
  const logs = [...(await inside(host, containerLogs))]
  for (const pod of await inside(host, podLogs)) {
    for (const container of await inside(host, pod)) logs.push(...(await inside(host, container)))
  }
  const targets = await Promise.all(logs.map((log) => host.realPath(log)))
  const dangling = targets.filter((target) => target === undefined).length
  if (dangling === 0) return []
  return [
    `${dangling} log files below ${containerLogs} and ${podLogs} lead nowhere: they were the former engine's; the kubelet removes them with the pods that they belong to.`,
  ]
}

async function inside(host: Host, folder: string): Promise<string[]> {
  return (await host.listFolder(folder)).map((name) => join(folder, name))
}
