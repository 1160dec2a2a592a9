/** Containers that run on the node's containerd and are not the kubelet's: Docker's and nerdctl's are in namespaces of their own. */
import type { Host } from '../../host/host.ts'
import { runFor } from '../image-programs.ts'
import { programTimeoutMs } from '../programs.ts'
import { ctrCommand, podNamespace } from './images.ts'
import { unit } from './paths.ts'

/** `<namespace>/<the beginning of the id>`; none when containerd does not run. */
export async function strangers(host: Host): Promise<readonly string[]> {
  if ((await host.unit(unit)).activeState !== 'active') return []
  const namespaces = lines(await ctr(host, podNamespace, ['namespaces', 'list', '--quiet']))
  const names: string[] = []
  for (const namespace of namespaces) {
    if (namespace === podNamespace) continue
    const tasks = lines(await ctr(host, namespace, ['tasks', 'list', '--quiet']))
    names.push(...tasks.map((id) => `${namespace}/${id.slice(0, 12)}`))
  }
  return names
}

async function ctr(host: Host, namespace: string, argv: readonly string[]): Promise<string> {
  return runFor(host, [...(await ctrCommand(host, namespace)), ...argv], programTimeoutMs)
}

function lines(printed: string): string[] {
  return printed.split('\n').filter((line) => line !== '')
}
