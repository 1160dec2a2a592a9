import { copyFile, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { engineBase, type Release, suites } from './base.ts'
import type { Cache } from './cache.ts'
import { containerd } from './engines/containerd.ts'
import { layerOf } from './node-kind.ts'
import { must } from './process.ts'

/** A flat apt repository with the engine packages of the release and all that a node without an engine needs for them. */
export async function aptRepository(cache: Cache, release: Release): Promise<string> {
  const { packages } = await engineBase(cache, release, layerOf(containerd))
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
