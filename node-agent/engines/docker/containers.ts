/** Containers that dockerd runs: the kubelet's are told by the names that dockershim and cri-dockerd give them. */
import type { Host } from '../../host/host.ts'
import { runFor } from '../image-programs.ts'
import { programTimeoutMs } from '../programs.ts'
import { Refused } from '../refused.ts'
import { dockerOf } from './images.ts'
import { dockerUnit } from './paths.ts'

interface Container {
  readonly id: string
  readonly name: string
  readonly isPods: boolean
}

/** `k8s_<container>_<pod>_<namespace>_<uid>_<attempt>`, in either case with labels of the kubelet's. */
const podName = /^k8s_[^_]+_[^_]+_[^_]+_[^_]+_\d+/

/** Names of running containers that the kubelet knows nothing of: they stop with Docker. Throws Refused when Docker cannot be asked. */
export async function strangers(host: Host): Promise<readonly string[]> {
  const containers = await containersOf(host, [])
  return containers.filter(({ isPods }) => !isPods).map(({ name }) => name)
}

/**
 * Removes what the kubelet has made, by Docker's own means: for a kubelet with dockershim, whose CRI is within the kubelet
 * and gone with it. Tells how many pods there were. Throws when one cannot be removed.
 */
export async function removePods(host: Host, timeoutMs: number): Promise<number> {
  const own = (await containersOf(host, ['--all'])).filter(({ isPods }) => isPods)
  const isSandbox = ({ name }: Container): boolean => name.startsWith('k8s_POD_')
  // The sandbox holds the network of the others: it goes last.
  const ids = [...own.filter((each) => !isSandbox(each)), ...own.filter(isSandbox)].map(({ id }) => id)
  const docker = (await dockerOf(host)) ?? 'docker'
  if (ids.length > 0) await runFor(host, [docker, 'rm', '--force', '--volumes', ...ids], timeoutMs)
  return own.filter(isSandbox).length
}

async function containersOf(host: Host, options: readonly string[]): Promise<readonly Container[]> {
  if ((await host.unit(dockerUnit)).activeState !== 'active') {
    throw new Refused(
      'EngineDown',
      `${dockerUnit} does not run, so nobody can tell or remove what containers it has: start it, and try again`,
    )
  }
  const docker = await dockerOf(host)
  if (docker === undefined) {
    throw new Error(
      'The docker program is not on the node, so nobody can tell what runs on Docker: install docker-cli.',
    )
  }
  const format = '{{.ID}}\t{{.Names}}\t{{.Label "io.kubernetes.pod.uid"}}'
  const listed = await runFor(host, [docker, 'ps', '--no-trunc', ...options, '--format', format], programTimeoutMs)
  return listed
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const [id = '', name = '', uid = ''] = line.split('\t')
      return { id, name, isPods: podName.test(name) && uid !== '' }
    })
}
