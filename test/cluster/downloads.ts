import { chmod, copyFile, cp, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Base } from './base.ts'
import { digestsOf } from './brought.ts'
import { type Cache, fileDigest } from './cache.ts'
import type { Containerd2 } from './containerd-package.ts'
import { downloadsPort, hostAddress } from './network.ts'
import { must } from './process.ts'

/** What an engine can be installed from, as its project publishes it. */
export type DownloadName = 'containerd' | 'runc' | 'crun' | 'cni-plugins' | 'cri-o'

export interface Download {
  url: string
  sha256: string
}

/** What goes wrong with an answer: see `file-server.ts`; `dead`: nobody listens. */
export type Fault = 'truncated' | 'stalled' | 'dead'

export interface DownloadParts {
  containerd2: Containerd2
  /** Its CNI plugins are published. */
  base: Base
  /** Published as runc and as crun: it becomes the runtime that the machine has of that name. */
  adapter: string
  /** CRI-O's own programs, by name; absent: no CRI-O is published. */
  crio?: Readonly<Record<string, string>>
}

type Index = Partial<Record<DownloadName, { file: string; sha256: string }>>

export const indexName = 'index.json'
const architecture = process.arch === 'x64' ? 'amd64' : process.arch
const deadPort = 8444

/** A folder of archives in the layouts of their projects, and an index of them. */
export async function downloads(cache: Cache, parts: DownloadParts): Promise<string> {
  const { adapter, containerd2, base, crio = {} } = parts
  return cache.get({
    name: 'downloads',
    key: JSON.stringify([containerd2.folder, base.root, adapter, await digestsOf(Object.values(crio)), 2]),
    build: async (target) => {
      const files: Partial<Record<DownloadName, string>> = {
        containerd: await containerdArchive(target, containerd2),
        runc: await single(target, adapter, `runc.${architecture}`),
        crun: await single(target, adapter, `crun-linux-${architecture}`),
        'cni-plugins': await archive(target, `cni-plugins-linux-${architecture}.tgz`, {
          top: '.',
          fill: pluginsOf(base),
        }),
        ...(parts.crio && { 'cri-o': await crioBundle(target, base, crio) }),
      }
      const entries = Object.entries(files).map(async ([name, file]) => [
        name,
        { file, sha256: await fileDigest(join(target, file)) },
      ])
      await writeFile(join(target, indexName), JSON.stringify(Object.fromEntries(await Promise.all(entries))))
    },
  })
}

/** The address and the digest of a download. Throws when it is not among those that are served. */
export function downloadOf(index: Index, name: DownloadName, fault?: Fault): Download {
  const entry = index[name]
  if (!entry) throw new Error(`${name} is not among the downloads: ${Object.keys(index).join(', ')}`)
  const port = fault === 'dead' ? deadPort : downloadsPort
  const folder = fault && fault !== 'dead' ? `/${fault}` : ''
  return { url: `https://${hostAddress}:${port}${folder}/${entry.file}`, sha256: entry.sha256 }
}

async function containerdArchive(target: string, { folder, version }: Containerd2): Promise<string> {
  const name = `containerd-${version}-linux-${architecture}.tar.gz`
  const fill = async (root: string) => {
    await mkdir(join(root, 'bin'))
    for (const program of ['containerd', 'containerd-shim-runc-v2', 'ctr']) {
      await copyFile(join(folder, program), join(root, 'bin', program))
    }
  }
  return archive(target, name, { top: 'bin', fill })
}

const pluginsOf =
  ({ root }: Base) =>
  (folder: string): Promise<void> =>
    cp(join(root, 'usr/lib/cni'), folder, { recursive: true })

async function crioBundle(target: string, base: Base, programs: Readonly<Record<string, string>>): Promise<string> {
  const fill = async (root: string) => {
    const bundle = join(root, 'cri-o')
    for (const folder of ['bin', 'contrib', 'etc']) await mkdir(join(bundle, folder), { recursive: true })
    await pluginsOf(base)(join(bundle, 'cni-plugins'))
    const all = { ...programs, runc: join(base.root, 'usr/sbin/runc'), crun: join(base.root, 'usr/bin/crun') }
    for (const [name, path] of Object.entries(all)) await copyFile(path, join(bundle, 'bin', name))
    const texts = {
      'contrib/policy.json': '{"default": [{"type": "insecureAcceptAnything"}]}\n',
      'contrib/registries.conf': 'unqualified-search-registries = ["docker.io"]\n',
      'etc/crictl.yaml': 'runtime-endpoint: unix:///var/run/crio/crio.sock\n',
      'etc/10-crun.conf': `[crio.runtime]
default_runtime = "crun"

[crio.runtime.runtimes.crun]
runtime_path = "/usr/local/bin/crun"
runtime_root = "/run/crun"
monitor_path = "/usr/local/bin/conmon"
`,
    }
    for (const [path, text] of Object.entries(texts)) await writeFile(join(bundle, path), text)
  }
  return archive(target, `cri-o.${architecture}.tar.gz`, { top: 'cri-o', fill })
}

async function single(target: string, program: string, name: string): Promise<string> {
  await copyFile(program, join(target, name))
  await chmod(join(target, name), 0o755)
  return name
}

interface Contents {
  /** What the archive's own names begin with. */
  top: string
  fill: (root: string) => Promise<void>
}

async function archive(target: string, name: string, { top, fill }: Contents): Promise<string> {
  const root = join(target, 'unpacked')
  await mkdir(root)
  await fill(root)
  // Little compression: it is served on this computer only.
  const gzip = ['--use-compress-program', 'gzip --fast', '--owner=0', '--group=0']
  await must(['tar', ...gzip, '--create', '--file', join(target, name), '--directory', root, top])
  await must(['rm', '-r', root])
  return name
}
