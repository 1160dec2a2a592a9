import { existsSync } from 'node:fs'
import { copyFile, link, mkdir, readdir, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Kubernetes } from './binaries.ts'
import { type Cache, digest, fileDigest } from './cache.ts'
import { must } from './process.ts'

export const busyboxImage = 'docker.io/library/busybox:1.36'

export interface Images {
  /** Docker archive with the control plane's images: one layer under all of their names. */
  controlPlane: string
  /** Docker archives that every node with an engine gets: the sandbox image and busybox. */
  everyNode: string[]
  /** The name of the sandbox image that this Kubernetes wants. */
  pause: string
}

export interface ImageParts {
  kubernetes: Kubernetes
  /** Folder with the program `pause`. */
  pause: string
  /** Folder of Debian packages, busybox-static among them. */
  packages: string
}

export async function clusterImages(cache: Cache, parts: ImageParts): Promise<Images> {
  const { folder, version } = parts.kubernetes
  const listing = [join(folder, 'kubeadm'), 'config', 'images', 'list', '--kubernetes-version', version]
  const wanted = (await must(listing)).trim().split('\n')
  const pauseName = wanted.find((name) => name.includes('/pause:'))
  if (!pauseName) throw new Error(`${listing.join(' ')} names no pause image`)
  const programs = wanted.filter((name) => /\/(kube-|etcd:)/.test(name))
  return {
    pause: pauseName,
    controlPlane: await archive(cache, {
      name: 'image-control-plane',
      names: programs,
      command: ['kubelet', '--version'],
      contents: JSON.stringify([folder]),
      fill: (root) => fillControlPlane(root, folder),
    }),
    everyNode: [
      await archive(cache, {
        name: 'image-pause',
        names: [pauseName],
        command: ['/pause'],
        contents: JSON.stringify([parts.pause]),
        fill: (root) => copyFile(join(parts.pause, 'pause'), join(root, 'pause')),
      }),
      await archive(cache, {
        name: 'image-busybox',
        names: [busyboxImage],
        command: ['sh'],
        contents: JSON.stringify([parts.packages]),
        fill: (root) => fillBusybox(root, parts.packages),
      }),
    ],
  }
}

async function fillControlPlane(root: string, kubernetesFolder: string): Promise<void> {
  const programs = join(root, 'usr/local/bin')
  await mkdir(programs, { recursive: true })
  await link(join(kubernetesFolder, 'hyperkube'), join(programs, 'hyperkube'))
  for (const name of ['kube-apiserver', 'kube-controller-manager', 'kube-scheduler', 'kube-proxy', 'etcd']) {
    await symlink('hyperkube', join(programs, name))
  }
}

/** Debian's static busybox with a link of each of its programs. */
async function fillBusybox(root: string, packages: string): Promise<void> {
  const folder = join(root, '..', 'package')
  await mkdir(folder)
  const file = (await readdir(packages)).find((name) => name.startsWith('busybox-static_'))
  if (!file) throw new Error(`no busybox-static among the packages in ${packages}`)
  await must(['dpkg-deb', '--extract', join(packages, file), folder])
  const programs = join(root, 'bin')
  await mkdir(programs)
  for (const name of ['etc', 'tmp', 'root', 'var']) await mkdir(join(root, name))
  await writeFile(join(root, 'etc/passwd'), 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n')
  // Debian 13 has it below /usr.
  const program = ['usr/bin/busybox', 'bin/busybox'].map((path) => join(folder, path)).find(existsSync)
  if (!program) throw new Error(`${file} has no busybox`)
  await copyFile(program, join(programs, 'busybox'))
  for (const name of (await must([join(programs, 'busybox'), '--list'])).trim().split('\n')) {
    if (name !== 'busybox') await symlink('busybox', join(programs, name))
  }
}

interface ImageRecipe {
  name: string
  /** Full references that the engine stores the image under. */
  names: readonly string[]
  command: readonly string[]
  /** What the files depend on. */
  contents: string
  fill: (root: string) => Promise<void>
}

/** A Docker archive of one uncompressed layer: every containerd and skopeo reads it, and no time goes into compression. */
async function archive(cache: Cache, { name, names, command, contents, fill }: ImageRecipe): Promise<string> {
  const folder = await cache.get({
    name,
    key: JSON.stringify([names, command, contents, 1]),
    build: async (target) => {
      const work = join(target, 'work')
      const root = join(work, 'root')
      await mkdir(root, { recursive: true })
      await fill(root)
      await tar(root, join(work, 'layer.tar'), await readdir(root))
      const config = JSON.stringify({
        architecture: process.arch === 'x64' ? 'amd64' : process.arch,
        os: 'linux',
        config: { Cmd: command, Env: ['PATH=/usr/local/bin:/bin'] },
        rootfs: { type: 'layers', diff_ids: [`sha256:${await fileDigest(join(work, 'layer.tar'))}`] },
        history: [{ created_by: name }],
      })
      const configFile = `${digest(config)}.json`
      await writeFile(join(work, configFile), config)
      const manifest = [{ Config: configFile, RepoTags: names, Layers: ['layer.tar'] }]
      await writeFile(join(work, 'manifest.json'), JSON.stringify(manifest))
      await tar(work, join(target, 'image.tar'), ['manifest.json', configFile, 'layer.tar'])
      await must(['rm', '-r', work])
    },
  })
  return join(folder, 'image.tar')
}

async function tar(folder: string, file: string, names: readonly string[]): Promise<void> {
  const same = ['--sort=name', '--owner=0', '--group=0', '--numeric-owner', '--mtime=@0', '--format=posix']
  await must(['tar', ...same, '--create', '--file', file, '--directory', folder, ...names])
}
