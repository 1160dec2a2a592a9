import { mkdir, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import type { Cgroup } from './cgroup.ts'
import { downloadsPort, hostAddress, inNetwork, packagesPort } from './network.ts'
import { startDetached } from './node.ts'
import type { Parts } from './parts.ts'

/** Serves packages over HTTP, each repository under its name, and archives over HTTPS. */
export async function serve(
  folder: string,
  { repositories, offers }: Pick<Parts, 'repositories' | 'offers'>,
  place: { netns: string; cgroup: Cgroup },
): Promise<void> {
  const packages = join(folder, 'packages')
  await mkdir(packages, { recursive: true })
  for (const [name, repository] of Object.entries(repositories)) await symlink(repository, join(packages, name))
  startServer(packages, [String(packagesPort), packages], place)
  if (!offers) return
  const { certificate, key } = offers.certificate
  await symlink(offers.downloads, join(folder, 'downloads'))
  startServer(join(folder, 'downloads'), [String(downloadsPort), offers.downloads, certificate, key], place)
}

function startServer(
  name: string,
  args: readonly string[],
  { netns, cgroup }: { netns: string; cgroup: Cgroup },
): void {
  const server = [process.execPath, join(import.meta.dirname, 'file-server.ts'), hostAddress, ...args]
  startDetached(cgroup, inNetwork(netns, server), { log: `${name}.log` })
}
