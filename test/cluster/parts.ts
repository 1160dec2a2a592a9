/** All that is costly to make and the same for every cluster. */
import { join } from 'node:path'
import { aptRepository } from './apt-repository.ts'
import { type Base, bareBase, engineBase, type Release, suites } from './base.ts'
import { containerd2, type Kubernetes, kubernetes, ociAdapter, pause } from './binaries.ts'
import { brought } from './brought.ts'
import { Cache } from './cache.ts'
import { type Certificate, certificate } from './certificate.ts'
import { type Containerd2, newerContainerd } from './containerd-package.ts'
import { downloads } from './downloads.ts'
import { containerd } from './engines/containerd.ts'
import { crio } from './engines/crio.ts'
import { clusterImages, type Images } from './image.ts'
import { withLock } from './lock.ts'
import type { Program } from './node.ts'
import type { NodeSpec } from './node-files.ts'
import { layerOf, nodeKinds } from './node-kind.ts'
import { adaptedRuntimes, ociAdapterFolder } from './oci-adapter.ts'
import { ensurePrerequisites } from './prerequisites.ts'
import type { Progress } from './progress.ts'
import type { Settings } from './settings.ts'

export interface Parts {
  kubernetes: Kubernetes
  images: Images
  /** The root to copy, by node name. */
  roots: Map<string, string>
  /** Programs that are copied into it, by node name. */
  programs: Map<string, readonly Program[]>
  /** Folders of packages, by the name that they are served under. */
  repositories: Readonly<Record<string, string>>
  offers?: Offers
}

/** What nodes may install engines from, beyond the packages of their release. */
export interface Offers {
  certificate: Certificate
  /** Folder of archives. */
  downloads: string
}

export interface Wanted {
  nodes: readonly NodeSpec[]
  /** Whether archives of engines, and a newer package of containerd, are served. */
  offers: boolean
}

/** The Go build and debootstrap run side by side: one computes, one downloads. */
export async function gather(wanted: Wanted, settings: Settings, progress: Progress): Promise<Parts> {
  await withLock(
    'prerequisites',
    (line) => progress.say(line),
    () => ensurePrerequisites(progress),
  )
  const cache = new Cache(settings.cache, progress)
  // Before anything that takes minutes.
  const own = await broughtPrograms(settings, wanted.nodes)
  const [built, systems] = await Promise.all([build(cache, settings, wanted), debian(cache, wanted.nodes)])
  const { packages } = await engineBase(cache, nodeKinds[wanted.nodes[0]!.kind].release, layerOf(containerd))
  const programs = new Map<string, readonly Program[]>()
  for (const { name, kind } of wanted.nodes) {
    const newer = nodeKinds[kind].containerd2 ? inLocalBin(built.containerd2!) : []
    programs.set(name, [...built.adapters, ...newer, ...(own.get(name) ?? [])])
  }
  const offers = wanted.offers
    ? await offered({ cache, settings, adapter: built.adapters[0]!.from, containerd2: built.containerd2! })
    : undefined
  return {
    kubernetes: built.kubernetes,
    images: await clusterImages(cache, { ...built, packages }),
    roots: systems.roots,
    programs,
    repositories: { ...systems.repositories, ...offers?.repositories },
    ...(offers && { offers }),
  }
}

async function broughtPrograms(settings: Settings, nodes: readonly NodeSpec[]): Promise<Map<string, Program[]>> {
  const programs = new Map<string, Program[]>()
  for (const { name, kind } of nodes) {
    const places = Object.entries(nodeKinds[kind].engine?.brought ?? {})
    const names = places.map(([program]) => program)
    const paths = await brought(settings, names, `node ${name} (${kind})`)
    programs.set(
      name,
      places.map(([, to], index) => ({ from: paths[index]!, to })),
    )
  }
  return programs
}

async function build(cache: Cache, settings: Settings, { nodes, offers }: Wanted) {
  const built = await kubernetes(cache, settings)
  const sandbox = await pause(cache, settings)
  const adapter = await ociAdapter(cache, settings)
  const isNewer = offers || nodes.some(({ kind }) => nodeKinds[kind].containerd2)
  return {
    kubernetes: built,
    pause: sandbox,
    adapters: adaptedRuntimes.map((name) => ({
      from: join(adapter, 'oci-adapter'),
      to: `${ociAdapterFolder}/${name}`,
    })),
    ...(isNewer && { containerd2: await containerd2(cache, settings) }),
  }
}

async function debian(cache: Cache, nodes: readonly NodeSpec[]) {
  const repositories: Record<string, string> = {}
  for (const release of new Set<Release>(nodes.map(({ kind }) => nodeKinds[kind].release))) {
    repositories[suites[release]] = await aptRepository(cache, release)
  }
  const roots = new Map<string, string>()
  for (const { name, kind, packages } of nodes) {
    const { release, engine } = nodeKinds[kind]
    const base: Base = engine
      ? await engineBase(cache, release, layerOf(engine, packages))
      : await bareBase(cache, release)
    roots.set(name, base.root)
  }
  return { repositories, roots }
}

function inLocalBin({ folder }: Containerd2): readonly Program[] {
  const names = ['containerd', 'containerd-shim-runc-v2', 'ctr']
  return names.map((name) => ({ from: join(folder, name), to: `/usr/local/bin/${name}` }))
}

interface Offering {
  adapter: string
  cache: Cache
  settings: Settings
  containerd2: Containerd2
}

async function offered({ adapter, cache, settings, containerd2 }: Offering) {
  // Of the newest release: what is linked against an older one runs there, too, but crun of Debian 12 not under CRI-O.
  const base = await engineBase(cache, 'debian13', layerOf(containerd))
  const names = [...Object.keys(crio.brought), 'conmon']
  const paths = await brought(settings, names, 'CRI-O').catch(() => undefined)
  const bundled = paths && Object.fromEntries(names.map((name, index) => [name, paths[index]!]))
  return {
    certificate: await certificate(cache),
    downloads: await downloads(cache, { adapter, containerd2, base, ...(bundled && { crio: bundled }) }),
    repositories: { newer: await newerContainerd(cache, containerd2) },
  }
}
