/** What both images stand on: Node, the loader and the libraries that it needs, and nothing else. */
import { readFile, rm, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { courierID } from '../crds/protocol.ts'
import type { Cache } from '../test/cluster/cache.ts'
import { type Architecture, names } from './architecture.ts'
import { downloadPackages, filesOf } from './debian.ts'
import { type Entry, type Layer, layerOf } from './layer.ts'
import { nodeBinary, pinOf } from './node-binary.ts'

export interface Base {
  readonly layer: Layer
  /** The program `chroot`, with which the installer runs the host's systemctl. Only the agent's image has it. */
  readonly chroot: Buffer
  /** Versions of what is in the layer. */
  readonly contents: Readonly<Record<string, string>>
}

/** The libraries that the Node binary names (`readelf --dynamic`), by package; libdl and libpthread are empty since glibc 2.34, but still named. */
const libraries: Readonly<Record<string, readonly string[]>> = {
  libc6: ['libc.so.6', 'libm.so.6', 'libdl.so.2', 'libpthread.so.0'],
  'libstdc++6': ['libstdc++.so.6'],
  'libgcc-s1': ['libgcc_s.so.1'],
}

const passwd = `root:x:0:0:root:/:/sbin/nologin\nnonroot:x:${courierID}:${courierID}:nonroot:/:/sbin/nologin\n`
const group = `root:x:0:\nnonroot:x:${courierID}:\n`

/** Built once and kept until its folder in the cache is removed: that is how newer Debian packages come in. */
export async function baseFor(architecture: Architecture, cache: Cache, root: string): Promise<Base> {
  const pin = await pinOf(architecture, root)
  const folder = await cache.get({
    name: `image-base-${architecture}`,
    key: JSON.stringify([architecture, pin, libraries, passwd, group, 1]),
    build: (target) => build(architecture, root, target),
  })
  const [record, blob, chroot] = await Promise.all(
    ['base.json', 'layer', 'chroot'].map((name) => readFile(join(folder, name))),
  )
  const { diffId, contents } = JSON.parse(String(record)) as { diffId: string; contents: Record<string, string> }
  return { layer: { diffId, blob: blob as Buffer }, chroot: chroot as Buffer, contents }
}

async function build(architecture: Architecture, root: string, target: string): Promise<void> {
  const { loader, folder } = names[architecture].libraries
  const packages = await downloadPackages([...Object.keys(libraries), 'coreutils'], architecture, target)
  const archiveOf = (name: string): string => {
    const found = packages.find((path) => basename(path).startsWith(`${name}_`))
    if (!found) throw new Error(`apt-get download brought no package ${name}`)
    return found
  }
  const entries: Entry[] = [
    { path: 'usr/local/bin/node', mode: 0o755, bytes: await nodeBinary(architecture, root, target) },
    { path: 'etc/passwd', mode: 0o644, bytes: Buffer.from(passwd) },
    { path: 'etc/group', mode: 0o644, bytes: Buffer.from(group) },
  ]
  for (const [name, wanted] of Object.entries(libraries)) {
    const loaders = name === 'libc6' ? [basename(loader)] : []
    for (const [file, bytes] of await filesOf(archiveOf(name), [...wanted, ...loaders])) {
      entries.push({ path: (file === basename(loader) ? loader : `${folder}/${file}`).slice(1), mode: 0o755, bytes })
    }
  }
  const layer = await layerOf(entries)
  const chroot = (await filesOf(archiveOf('coreutils'), ['chroot'])).get('chroot')
  const contents = {
    node: (await pinOf(architecture, root)).version,
    debian: packages.map((path) => decodeURIComponent(basename(path, '.deb'))).join(' '),
  }
  await writeFile(join(target, 'layer'), layer.blob)
  await writeFile(join(target, 'chroot'), chroot as Buffer)
  await writeFile(join(target, 'base.json'), JSON.stringify({ diffId: layer.diffId, contents }))
  for (const name of ['apt', 'packages']) await rm(join(target, name), { recursive: true })
}
