import { copyFile, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { below, createCgroup, ownCgroup } from './cgroup.ts'
import type { CgroupDriver } from './containerd-config.ts'
import { adminKubeconfig, discoverySignature, initialize, joinCluster, proxyKubeconfig, startProxy } from './kubeadm.ts'
import { tryLock } from './lock.ts'
import { createNetwork } from './network.ts'
import { boot, createRoot, enter, installPrograms, loadImage, type Machine, nodeLogs } from './node.ts'
import { furnish, type NodeSpec } from './node-files.ts'
import { isNodeKind, type NodeKindName, nodeKinds } from './node-kind.ts'
import { gather, type Parts } from './parts.ts'
import { succeeded } from './process.ts'
import { type Log, Progress, waitFor } from './progress.ts'
import { startRegistry } from './registry.ts'
import { Cluster } from './running-cluster.ts'
import { serve } from './serve.ts'
import { type Settings, settingsFrom } from './settings.ts'
import {
  type ClusterState,
  clusterFolder,
  defaultName,
  machinesOf,
  netnsOf,
  readState,
  servicesOf,
  uniqueName,
  writeState,
} from './state.ts'
import { rememberSysctls } from './sysctls.ts'

export interface ClusterSpec {
  /** Lower-case letters, digits and dashes; clusters of different names stand side by side. */
  name?: string
  /** The first is the control plane and needs an engine; or none has one, and they are machines without a cluster. */
  nodes: readonly NodeSpec[]
  /** What the kubelet and the engine of every node start with. */
  cgroupDriver?: CgroupDriver
  /** Whether nodes can get archives of engines, and a newer package of containerd, from this computer. */
  offers?: boolean
  log?: Log
  settings?: Settings
}

/**
 * Builds what is missing, boots the nodes and makes them a Kubernetes cluster. Resolves when all nodes with an engine are Ready.
 * Throws when a cluster of that name is there already; a failure on the way leaves what stands for a look, until `down`.
 */
export async function bringUp(spec: ClusterSpec): Promise<Cluster> {
  const { name = defaultName, settings = settingsFrom(process.env), log = () => undefined } = spec
  checkSpec(name, spec.nodes)
  const progress = new Progress(log)
  const folder = clusterFolder(settings, name)
  const lock = await tryLock(`cluster ${folder}`)
  if (!lock) throw new Error(`cluster ${name} is being brought up or taken down by another process`)
  try {
    await refuseSecond(folder, name)
    const parts = await gather({ nodes: spec.nodes, offers: spec.offers ?? false }, settings, progress)
    const state: ClusterState = {
      name,
      plan: {
        nodes: spec.nodes,
        cgroupDriver: spec.cgroupDriver ?? 'cgroupfs',
        sandboxImage: parts.images.pause,
      },
      version: parts.kubernetes.version,
      kubernetes: parts.kubernetes.folder,
      cgroup: below(await ownCgroup(), uniqueName(settings, name)),
      ready: false,
    }
    await rememberSysctls(settings)
    await writeState(folder, state)
    await startServices(folder, state, parts)
    const cluster = new Cluster(settings, state)
    await startNodes(cluster, { machines: machinesOf(settings, state), state, parts, progress })
    await writeState(folder, { ...state, ready: true })
    return cluster
  } finally {
    lock.release()
  }
}

function checkSpec(name: string, nodes: readonly NodeSpec[]): void {
  const [first] = nodes
  const label = /^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$/
  if (!label.test(name)) throw new Error(`cluster name ${name}: use up to 32 lower-case letters, digits and dashes`)
  for (const node of nodes) {
    if (!label.test(node.name))
      throw new Error(`node name ${node.name}: use up to 32 lower-case letters, digits and dashes`)
    if (!isNodeKind(node.kind))
      throw new Error(`node ${node.name}: kind ${node.kind} is none of ${Object.keys(nodeKinds).join(', ')}`)
  }
  if (new Set(nodes.map((node) => node.name)).size < nodes.length) throw new Error('two nodes have the same name')
  if (nodes.length > 100) throw new Error('more than 100 nodes: they would run out of addresses')
  if (first && nodes.every(isAlone)) return
  if (!first?.controlPlane || !nodeKinds[first.kind].engine || nodes.slice(1).some((node) => node.controlPlane)) {
    throw new Error('exactly the first node must be the control plane, and it needs an engine')
  }
}

/** Where machines without an engine have the sandbox image. */
export const sandboxArchive = '/root/sandbox-image.tar'

/** A machine that no cluster is made of. */
function isAlone({ kind, controlPlane }: NodeSpec): boolean {
  return !controlPlane && !nodeKinds[kind].engine
}

async function refuseSecond(folder: string, name: string): Promise<void> {
  const there = await readState(folder)
  if (!there) return
  const found = there.ready ? 'is up already' : 'is there, unfinished'
  throw new Error(`cluster ${name} ${found}: take it down with npm run cluster -- down --name ${name}`)
}

/** Builds all that is costly for nodes of these kinds, and brings nothing up. */
export async function buildParts(kinds: readonly NodeKindName[], log: Log, settings = settingsFrom(process.env)) {
  const nodes = kinds.map((kind) => ({ name: kind, kind, controlPlane: false }))
  await gather({ nodes, offers: true }, settings, new Progress(log))
}

async function startServices(folder: string, state: ClusterState, parts: Parts): Promise<void> {
  await createCgroup(state.cgroup)
  const place = { netns: netnsOf(folder), cgroup: servicesOf(state) }
  await createCgroup(place.cgroup)
  await createNetwork(place.netns, state.plan.nodes.length)
  await startRegistry(join(folder, 'registry'), place)
  await serve(folder, parts, place)
}

interface Start {
  machines: readonly Machine[]
  state: ClusterState
  parts: Parts
  progress: Progress
}

async function startAlone(start: Start): Promise<void> {
  const results = await Promise.allSettled(start.machines.map((machine, index) => prepare(machine, index, start)))
  for (const result of results) if (result.status === 'rejected') throw result.reason
}

async function startNodes(cluster: Cluster, start: Start): Promise<void> {
  if (start.machines.every(({ spec }) => isAlone(spec))) return startAlone(start)
  const [controlPlane, ...workers] = start.machines
  const api = startControlPlane(cluster, controlPlane!, start)
  const joined = workers.map((machine, at) => startWorker(machine, at + 1, { ...start, api }))
  // Not Promise.all alone: a failure must not leave the others writing while the caller takes the cluster down.
  const results = await Promise.allSettled([api, ...joined])
  for (const result of results) if (result.status === 'rejected') throw result.reason
  await start.progress.step('waiting for all nodes to be Ready', async (detail) => {
    try {
      await cluster.waitReady()
    } catch (error) {
      const tails = await Promise.all(start.machines.map((machine) => nodeTail(machine)))
      detail((error as Error).message)
      throw new Error(`${(error as Error).message}\n${tails.join('\n')}`, { cause: error })
    }
  })
}

/** Resolves with kube-proxy's kubeconfig when the API answers. */
async function startControlPlane(cluster: Cluster, machine: Machine, start: Start): Promise<string> {
  const { state, parts, progress } = start
  await prepare(machine, 0, start)
  return explained(machine, async () => {
    await progress.step(`${machine.spec.name}: importing the control plane's image`, () =>
      loadImage(machine, parts.images.controlPlane),
    )
    await progress.step(`${machine.spec.name}: kubeadm init`, () => {
      return initialize(machine, state.version, state.plan.cgroupDriver)
    })
    await mkdir(join(cluster.folder, 'home'), { recursive: true })
    await writeFile(cluster.kubeconfigPath, await adminKubeconfig(machine), { mode: 0o600 })
    const kubeconfig = await proxyKubeconfig(machine)
    await startProxy(machine, kubeconfig)
    await progress.step('waiting until nodes may join', () =>
      waitFor('the signed cluster-info', () => unsigned(cluster), { timeout: 180_000 }),
    )
    return kubeconfig
  })
}

async function unsigned(cluster: Cluster): Promise<string | undefined> {
  const field = `jsonpath={.data.${discoverySignature}}`
  const args = ['--namespace=kube-public', 'get', 'configmap', 'cluster-info', '--output', field]
  const { stdout, stderr } = await cluster.kubectl(args, { timeout: 10_000 })
  return stdout ? undefined : stderr.trim() || 'the controller manager has not signed it'
}

async function startWorker(machine: Machine, index: number, start: Start & { api: Promise<string> }): Promise<void> {
  await prepare(machine, index, start)
  if (!nodeKinds[machine.spec.kind].engine) return
  const kubeconfig = await start.api
  await explained(machine, () =>
    start.progress.step(`${machine.spec.name}: kubeadm join`, async () => {
      await joinCluster(machine, index)
      await startProxy(machine, kubeconfig)
    }),
  )
}

/** From nothing to a booted machine whose engine has the images that every node needs. */
async function prepare(machine: Machine, index: number, { state, parts, progress }: Start): Promise<void> {
  const { name, kind } = machine.spec
  await progress.step(`${name}: copying ${kind}`, async () => {
    await mkdir(join(machine.root, '..'), { recursive: true })
    await createRoot(parts.roots.get(name)!, machine.root)
    await installPrograms(machine.root, parts.programs.get(name) ?? [])
    const { certificate } = parts.offers ?? {}
    await furnish(machine.root, index, { plan: state.plan, ...(certificate && { offers: certificate }) })
  })
  await progress.step(`${name}: booting`, () => boot(machine))
  if (parts.offers) await trust(machine)
  const { engine } = nodeKinds[kind]
  if (!engine) {
    // For an engine that is still to come.
    const [sandbox] = parts.images.everyNode
    return copyFile(sandbox!, join(machine.root, sandboxArchive))
  }
  await explained(machine, async () => {
    await waitFor(`the engine of ${name}`, async () => missing(machine, engine.serving), { timeout: 180_000 })
    for (const archive of parts.images.everyNode) await loadImage(machine, archive)
  })
}

async function trust(machine: Machine): Promise<void> {
  const argv = ['update-ca-certificates']
  succeeded(argv, await enter(machine, argv, { timeout: 60_000 }))
}

async function missing(machine: Machine, serving: readonly string[]): Promise<string | undefined> {
  const { code, stderr } = await enter(machine, serving, { timeout: 10_000 })
  return code === 0 ? undefined : stderr.trim().split('\n').at(-1)
}

/** Adds what the node's kubelet and engine said last to an error. */
async function explained<T>(machine: Machine, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throw new Error(`${(error as Error).message}\n${await nodeTail(machine)}`, { cause: error })
  }
}

async function nodeTail(machine: Machine): Promise<string> {
  const tail = await nodeLogs(machine, 25, ['kubelet', 'containerd', 'docker', 'cri-docker', 'crio'])
  return `--- node ${machine.spec.name}, last lines of kubelet and engine ---\n${tail.trimEnd()}`
}
