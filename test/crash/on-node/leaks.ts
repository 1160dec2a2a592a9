/**
 * Looks for what a change left behind that belongs to no pod which the node's engine knows. Prints a JSON list of
 * sentences; an empty one is a clean node.
 */
import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { parse } from 'yaml'
import { CriClient } from '../../../node-agent/cri/client.ts'
import { PodSandboxState } from '../../../node-agent/cri/gen/runtime.ts'

interface Living {
  /** Ids of sandboxes and containers that the engine knows. */
  readonly ids: ReadonlySet<string>
  /** How many of them have a root file system. */
  readonly roots: number
  /** Sandboxes with a network of their own. */
  readonly networks: ReadonlySet<string>
}

const idPattern = /[0-9a-f]{64}/g

/** Where the kubelet finds its engine. */
function socket(): string {
  const { containerRuntimeEndpoint: endpoint = '' } = parse(readFileSync('/var/lib/kubelet/config.yaml', 'utf8')) as {
    containerRuntimeEndpoint?: string
  }
  return endpoint.replace(/^unix:\/\//, '')
}

async function living(client: CriClient): Promise<Living> {
  const { items } = await client.call('listPodSandbox', {})
  const { containers } = await client.call('listContainers', {})
  const networks = new Set<string>()
  for (const { id } of items.filter(({ state }) => state === PodSandboxState.SANDBOX_READY)) {
    const { status } = await client.call('podSandboxStatus', { podSandboxId: id })
    if (status?.network?.ip) networks.add(id)
  }
  const ids = new Set([...items, ...containers].map(({ id }) => id))
  return { ids, roots: ids.size, networks }
}

const read = (path: string): string => {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    // It has gone meanwhile.
    return ''
  }
}

const list = (folder: string): readonly string[] => (existsSync(folder) ? readdirSync(folder) : [])

const isOrphan = (text: string, { ids }: Living): boolean => {
  const named = text.match(idPattern) ?? []
  return named.length > 0 && !named.some((id) => ids.has(id))
}

/** Processes in a pod's cgroup, and shims and monitors, of containers that the engine does not know. */
function processes(live: Living): readonly string[] {
  return list('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .flatMap((pid) => {
      const command = read(`/proc/${pid}/cmdline`).replaceAll('\0', ' ').trim()
      const isMonitor = /containerd-shim|conmon/.test(command.split(' ')[0] ?? '')
      const place = isMonitor ? command : read(`/proc/${pid}/cgroup`)
      const isOfPod = isMonitor || place.includes('kubepods')
      return command && isOfPod && isOrphan(place, live) ? [`process ${pid}: ${command.slice(0, 160)}`] : []
    })
}

function mounts(live: Living): readonly string[] {
  const points = read('/proc/1/mountinfo')
    .split('\n')
    .map((line) => line.split(' ')[4] ?? '')
  // Docker and CRI-O name these by layers, not by containers: there are not to be more than containers.
  const merged = points.filter((point) => /\/(overlay2?)\/[^/]+\/merged$/.test(point))
  const orphans = points.filter((point) => !merged.includes(point) && isOrphan(point, live))
  return [
    ...orphans.map((point) => `mount ${point}`),
    ...(merged.length > live.roots
      ? [`${merged.length} root file systems are mounted for ${live.roots} containers`]
      : []),
  ]
}

/** host-local writes a file for each address, with the id of its sandbox in it. */
function addresses({ networks }: Living): readonly string[] {
  const folder = '/var/lib/cni/networks'
  return list(folder).flatMap((network) =>
    list(join(folder, network))
      .filter((entry) => /^[\d.]+$/.test(entry))
      .filter((entry) => !networks.has(read(join(folder, network, entry)).split(/\s/)[0] ?? ''))
      .map((entry) => `address ${entry} of ${network}`),
  )
}

/**
 * Held open by their engine, without a process in them: the pod's own would be there as long as the pod is. dockerd unmounts
 * at once and removes the empty file within a minute, or never when it is killed meanwhile: while it serves the node, that is
 * its own affair.
 */
function namespaces(isDocker: boolean): readonly string[] {
  const inUse = new Set(
    list('/proc')
      .filter((entry) => /^\d+$/.test(entry))
      .map((pid) => inode(`/proc/${pid}/ns/net`)),
  )
  return ['/run/netns', '/run/docker/netns']
    .flatMap((folder) => list(folder).map((name) => join(folder, name)))
    .filter((path) => !inUse.has(inode(path)))
    .filter((path) => !isDocker || isMounted(path))
    .map((path) => `network namespace ${path}`)
}

/** A namespace is on a file system of its own. */
function isMounted(path: string): boolean {
  try {
    return statSync(path).dev !== statSync(dirname(path)).dev
  } catch {
    // It has gone meanwhile.
    return false
  }
}

function inode(path: string): number | undefined {
  try {
    return statSync(path).ino
  } catch {
    // It has gone meanwhile.
    return undefined
  }
}

const searched = [
  '/etc',
  '/opt',
  '/usr/local',
  '/var/lib/kubelet',
  '/var/lib/drydock',
  '/run/drydock',
  '/tmp',
  '/var/tmp',
]

/** Of Drydock: unfinished files and folders, a journal, archives of images. */
function files(): readonly string[] {
  const wanted = [
    '(',
    '-name',
    '.drydock*',
    '-o',
    '-name',
    '.*.drydock',
    '-o',
    '-name',
    '*.tar',
    '-o',
    '-name',
    'journal',
    ')',
  ]
  const folders = searched.filter((folder) => existsSync(folder))
  const found = execFileSync('find', [...folders, '-xdev', '-not', '-path', '*/pods/*', ...wanted], {
    encoding: 'utf8',
  })
  return found
    .split('\n')
    .filter(Boolean)
    .map((path) => `file ${path}`)
}

async function main(): Promise<void> {
  const endpoint = socket()
  const client = new CriClient(endpoint)
  const live = await living(client)
  client.close()
  const leaks = [
    ...processes(live),
    ...mounts(live),
    ...addresses(live),
    ...namespaces(endpoint.includes('cri-dockerd')),
    ...files(),
  ]
  process.stdout.write(JSON.stringify(leaks))
}

main().catch((error: Error) => {
  process.stderr.write(`leaks: ${error.message}\n`)
  process.exitCode = 1
})
