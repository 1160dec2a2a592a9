import { readFile, writeFile } from 'node:fs/promises'
import { must, run } from './process.ts'

/** Addresses are the same in every cluster: each has a network namespace of its own, and nothing leaves it. */
export const hostAddress = '10.88.0.1'
export const bridge = 'testbed0'
export const registryPort = 5000
export const packagesPort = 8080
export const downloadsPort = 8443
export const podNetwork = '10.244.0.0/16'
export const serviceNetwork = '10.96.0.0/16'

/** The address of the node with that place in the cluster, counted from 0. */
export function nodeAddress(index: number): string {
  return `10.88.0.${10 + index}`
}

/** The addresses of its pods. */
export function podSubnet(index: number): string {
  return `10.244.${index}.0/24`
}

/** Puts the argv into the network namespace that is held open at `netns`. */
export function inNetwork(netns: string, argv: readonly string[]): string[] {
  return ['nsenter', `--net=${netns}`, '--', ...argv]
}

/**
 * A network namespace held open by a mount on the file `netns`, with the bridge that all nodes hang on, and routes to
 * the pods of each, so that this machine's programs in it reach pods as a node does.
 * A file of the cluster's own instead of /run/netns, which stays a mount for good once used.
 */
export async function createNetwork(netns: string, nodes: number): Promise<void> {
  await writeFile(netns, '')
  const inside = (...argv: string[]) => must(inNetwork(netns, argv))
  await must(['unshare', `--net=${netns}`, 'true'])
  await inside('ip', 'link', 'set', 'lo', 'up')
  await inside('ip', 'link', 'add', bridge, 'type', 'bridge', 'forward_delay', '0', 'stp_state', '0')
  await inside('ip', 'address', 'add', `${hostAddress}/24`, 'dev', bridge)
  await inside('ip', 'link', 'set', bridge, 'up')
  for (let index = 0; index < nodes; index++) {
    await inside('ip', 'route', 'add', podSubnet(index), 'via', nodeAddress(index))
  }
}

/** Lets go of everything that is mounted at the folder or below it. */
export async function unmountBelow(folder: string): Promise<void> {
  const mounted = (await readFile('/proc/self/mountinfo', 'utf8'))
    .split('\n')
    .map((line) => (line.split(' ')[4] ?? '').replaceAll('\\040', ' '))
    .filter((path) => path === folder || path.startsWith(`${folder}/`))
  for (const path of mounted.reverse()) await run(['umount', '--lazy', path])
}
