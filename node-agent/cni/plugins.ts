/** Programs that CNI configuration names, and the folders in which a host has them. */
import { join } from 'node:path/posix'
import type { Host } from '../host/host.ts'
import { detectCni } from './cni.ts'
import { pluginTypes } from './network.ts'

/** Upstream's, Debian's, Fedora's. */
const usualFolders: readonly string[] = ['/opt/cni/bin', '/usr/lib/cni', '/usr/libexec/cni']

/** Of these folders and the usual ones, those with a plugin that the node's networks name, or the one that every network needs. */
export async function foldersWithPlugins(host: Host, folders: readonly string[]): Promise<readonly string[]> {
  const types = (await detectCni(host)).flatMap(({ bytes }) => pluginTypes(bytes))
  const names = new Set(['loopback', ...types.filter((type) => !type.includes('/'))])
  const found: string[] = []
  for (const folder of new Set([...folders, ...usualFolders])) {
    const isThere = await Promise.all([...names].map((name) => host.isExecutable(join(folder, name))))
    if (isThere.includes(true)) found.push(folder)
  }
  return found
}
