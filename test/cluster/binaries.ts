import { copyFile, mkdir, readFile, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { type Cache, exists, fileDigest } from './cache.ts'
import type { Containerd2 } from './containerd-package.ts'
import { ensureGo } from './prerequisites.ts'
import { must } from './process.ts'
import type { Log } from './progress.ts'
import type { Settings } from './settings.ts'

/** The names hyperkube answers to. */
const kubernetesPrograms = [
  ...['etcd', 'kube-apiserver', 'kube-controller-manager', 'kube-scheduler', 'kube-proxy'],
  ...['kubelet', 'kubeadm', 'kubectl', 'helm'],
]
const containerdPrograms = ['containerd', 'containerd-shim-runc-v2', 'ctr']

export interface Kubernetes {
  /** For instance v1.36.3. */
  version: string
  /** Folder with `hyperkube` and a link of each name it answers to. */
  folder: string
}

/** All Kubernetes programs and helm as one binary, from `hyperkube/` beside this file. */
export async function kubernetes(cache: Cache, settings: Settings): Promise<Kubernetes> {
  const source = join(import.meta.dirname, 'hyperkube')
  const version = versionOf('k8s.io/kubernetes', await readFile(join(source, 'go.mod'), 'utf8'))
  const [, major, minor] = /^v(\d+)\.(\d+)/.exec(version) ?? []
  const stamp = 'k8s.io/component-base/version'
  const flags = `-s -w -X ${stamp}.gitVersion=${version} -X ${stamp}.gitMajor=${major} -X ${stamp}.gitMinor=${minor}`
  const ready = await readyMade(settings, ['hyperkube'])
  const folder = await cache.get({
    name: 'hyperkube',
    key: ready?.key ?? (await sourceKey(source, ['main.go'], flags)),
    build: async (target, detail) => {
      const program = join(target, 'hyperkube')
      if (ready) await copyFile(join(ready.folder, 'hyperkube'), program)
      else await goBuild({ source, flags, packages: ['.'], target: program, detail })
      for (const name of kubernetesPrograms) await symlink('hyperkube', join(target, name))
    },
  })
  return { version, folder }
}

/** containerd 2 with its shim and ctr, from `containerd2/` beside this file. */
export async function containerd2(cache: Cache, settings: Settings): Promise<Containerd2> {
  const source = join(import.meta.dirname, 'containerd2')
  const version = versionOf('github.com/containerd/containerd/v2', await readFile(join(source, 'go.mod'), 'utf8'))
  const flags = `-s -w -X github.com/containerd/containerd/v2/version.Version=${version}`
  const ready = await readyMade(settings, containerdPrograms)
  const folder = await cache.get({
    name: 'containerd2',
    key: ready?.key ?? (await sourceKey(source, [], flags)),
    build: async (target, detail) => {
      if (ready) {
        for (const name of containerdPrograms) await copyFile(join(ready.folder, name), join(target, name))
        return
      }
      const packages = containerdPrograms.map((name) => `github.com/containerd/containerd/v2/cmd/${name}`)
      await goBuild({ source, flags, packages, target: `${target}/`, detail })
    },
  })
  return { folder, version: version.slice(1) }
}

/** The folder with the program that holds a pod's namespaces. */
export function pause(cache: Cache, settings: Settings): Promise<string> {
  return ownProgram(cache, settings, 'pause')
}

/** The folder with the program that stands before OCI runtimes on machines that may do less than they want. */
export function ociAdapter(cache: Cache, settings: Settings): Promise<string> {
  return ownProgram(cache, settings, 'oci-adapter')
}

/** A program of one file, from the folder of its name beside this file. */
async function ownProgram(cache: Cache, settings: Settings, name: string): Promise<string> {
  const source = join(import.meta.dirname, name)
  const flags = '-s -w'
  const ready = await readyMade(settings, [name])
  return cache.get({
    name,
    key: ready?.key ?? (await sourceKey(source, ['main.go'], flags)),
    build: async (target, detail) => {
      const program = join(target, name)
      if (ready) await copyFile(join(ready.folder, name), program)
      else await goBuild({ source, flags, packages: ['.'], target: program, detail })
    },
  })
}

interface GoBuild {
  source: string
  flags: string
  packages: readonly string[]
  /** A file, or a folder with a closing slash when there are several packages. */
  target: string
  detail: Log
}

async function goBuild({ source, flags, packages, target, detail }: GoBuild): Promise<void> {
  await ensureGo()
  await mkdir(join(target, '..'), { recursive: true })
  // -v names each package as it is compiled, which is the progress of a build that takes minutes.
  await must(['go', 'build', '-v', '-trimpath', '-ldflags', flags, '-o', target, ...packages], {
    cwd: source,
    env: { ...process.env, CGO_ENABLED: '0', GOFLAGS: '-mod=readonly', GOWORK: 'off' },
    onLine: detail,
  })
}

async function sourceKey(folder: string, sources: readonly string[], flags: string): Promise<string> {
  const present: string[] = []
  for (const name of ['go.mod', 'go.sum', ...sources]) {
    const path = join(folder, name)
    if (await exists(path)) present.push(await fileDigest(path))
  }
  return JSON.stringify([present, flags])
}

/** The folder of ready-made programs, when it has all of them. */
async function readyMade(
  settings: Settings,
  names: readonly string[],
): Promise<{ folder: string; key: string } | undefined> {
  const folder = settings.binaries
  if (!folder) return undefined
  const digests: string[] = []
  for (const name of names) {
    if (!(await exists(join(folder, name)))) return undefined
    digests.push(await fileDigest(join(folder, name)))
  }
  return { folder, key: JSON.stringify(['ready-made', digests]) }
}

function versionOf(module: string, goMod: string): string {
  const version = new RegExp(`${module.replaceAll('.', '\\.')} (v[0-9.]+)`).exec(goMod)?.[1]
  if (!version) throw new Error(`go.mod does not require ${module}: its version is that of the cluster`)
  return version
}
