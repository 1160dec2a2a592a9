import { mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { digest } from './cache.ts'
import { below, type Cgroup } from './cgroup.ts'
import type { Machine } from './node.ts'
import type { NodePlan } from './node-files.ts'
import type { Settings } from './settings.ts'

/** What is written about a cluster before anything of it exists: enough to end all of it. */
export interface ClusterState {
  name: string
  plan: NodePlan
  /** Kubernetes version, for instance v1.36.3. */
  version: string
  /** The folder with the Kubernetes programs. */
  kubernetes: string
  /** All of the cluster's processes are in it. */
  cgroup: Cgroup
  /** Set once `up` has come to its end. */
  ready: boolean
}

/** The cluster that is meant when none is named. */
export const defaultName = 'drydock'

/** The folder of a cluster's files: its state, its network's handle, its nodes' roots. */
export function clusterFolder(settings: Settings, name: string): string {
  return join(settings.cache, 'clusters', name)
}

/** A name that no other cluster on this computer has, whatever its cache folder. */
export function uniqueName(settings: Settings, name: string): string {
  return `drydock-${name}-${digest(clusterFolder(settings, name)).slice(0, 6)}`
}

export async function clusterNames(settings: Settings): Promise<string[]> {
  return (await readdir(join(settings.cache, 'clusters')).catch(() => [])).sort()
}

export async function readState(folder: string): Promise<ClusterState | undefined> {
  const text = await readFile(join(folder, 'cluster.json'), 'utf8').catch(() => undefined)
  return text === undefined ? undefined : (JSON.parse(text) as ClusterState)
}

export async function writeState(folder: string, state: ClusterState): Promise<void> {
  await mkdir(folder, { recursive: true })
  await writeFile(join(folder, 'cluster.json.new'), `${JSON.stringify(state, null, 2)}\n`)
  await rename(join(folder, 'cluster.json.new'), join(folder, 'cluster.json'))
}

export function netnsOf(folder: string): string {
  return join(folder, 'netns')
}

/** The cgroup of the cluster's own servers: registry, packages. */
export function servicesOf(state: ClusterState): Cgroup {
  return below(state.cgroup, 'services')
}

export function machinesOf(settings: Settings, state: ClusterState): Machine[] {
  const folder = clusterFolder(settings, state.name)
  return state.plan.nodes.map((spec) => ({
    spec,
    machineName: `${uniqueName(settings, state.name)}-${spec.name}`,
    root: join(folder, 'nodes', spec.name, 'root'),
    console: join(folder, 'nodes', spec.name, 'console.log'),
    cgroup: below(state.cgroup, `node-${spec.name}`),
    netns: netnsOf(folder),
    kubernetes: state.kubernetes,
  }))
}
