/** CNI configuration as engines read it: the first file by name is the network of every pod. */
import { join } from 'node:path/posix'
import type { FileFound } from '../engines/engine.ts'
import type { Host } from '../host/host.ts'

export const cniFolder = '/etc/cni/net.d'

/** Every file of the folder, by name; those that are no configuration too. */
export async function detectCni(host: Host): Promise<readonly FileFound[]> {
  const paths = (await host.listFolder(cniFolder)).map((name) => join(cniFolder, name))
  const files = await Promise.all(paths.map(async (path) => ({ path, bytes: await host.readFile(path) })))
  // Network plugins keep folders beside their files.
  return files.filter(({ bytes }) => bytes !== undefined)
}
