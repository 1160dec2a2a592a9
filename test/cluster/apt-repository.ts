import { copyFile, mkdir, readdir, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { engineBase, type Release, suites } from './base.ts'
import type { Cache } from './cache.ts'
import type { Cgroup } from './cgroup.ts'
import { hostAddress, inNetwork, packagesPort } from './network.ts'
import { startDetached } from './node.ts'
import { must } from './process.ts'

/** A flat apt repository with the engine packages of the release and all that a node without an engine needs for them. */
export async function aptRepository(cache: Cache, release: Release): Promise<string> {
  const { packages } = await engineBase(cache, release)
  return cache.get({
    name: `packages-${release}`,
    key: JSON.stringify([packages, 1]),
    build: async (folder) => {
      for (const name of await readdir(packages)) await copyFile(join(packages, name), join(folder, name))
      await writeFile(join(folder, 'Packages'), await must(['apt-ftparchive', 'packages', '.'], { cwd: folder }))
      const named = `APT::FTPArchive::Release::Suite=${suites[release]}`
      await writeFile(
        join(folder, 'Release'),
        await must(['apt-ftparchive', 'release', '-o', named, '.'], { cwd: folder }),
      )
    },
  })
}

/** Serves the repositories to the nodes, each under its suite's name. */
export async function serveRepositories(
  folder: string,
  repositories: Partial<Record<Release, string>>,
  { netns, cgroup }: { netns: string; cgroup: Cgroup },
): Promise<void> {
  await mkdir(folder, { recursive: true })
  for (const [release, repository] of Object.entries(repositories)) {
    await symlink(repository, join(folder, suites[release as Release]))
  }
  const server = [
    process.execPath,
    join(import.meta.dirname, 'file-server.ts'),
    hostAddress,
    String(packagesPort),
    folder,
  ]
  startDetached(cgroup, inNetwork(netns, server), { log: `${folder}.log` })
}
