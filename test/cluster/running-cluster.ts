import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { processesIn } from './cgroup.ts'
import { type Download, type DownloadName, downloadOf, type Fault, indexName } from './downloads.ts'
import { auditLog, joinCluster, proxyKubeconfig, startProxy } from './kubeadm.ts'
import { hostAddress, inNetwork, nodeAddress } from './network.ts'
import { boot, enter, entering, initOf, loadImage, type Machine, nodeLogs, powerOff } from './node.ts'
import type { NodeSpec } from './node-files.ts'
import { nodeKinds } from './node-kind.ts'
import { type Output, type RunOptions, run } from './process.ts'
import { type Log, waitFor } from './progress.ts'
import { push, registryName } from './registry.ts'
import { type Settings, settingsFrom } from './settings.ts'
import { type ClusterState, clusterFolder, defaultName, machinesOf, netnsOf, readState } from './state.ts'
import { takeDown } from './take-down.ts'

/** A cluster that stands. All of its methods work from any process of this computer. */
export class Cluster {
  readonly name: string
  readonly nodes: readonly NodeSpec[]
  /** Kubernetes version, for instance v1.36.3. */
  readonly version: string
  /** The image that holds a pod's namespaces, which every node has. */
  readonly sandboxImage: string
  /** Folder of the cluster's files; gone after `down`. */
  readonly folder: string
  /** Of cluster-admin; the address in it is reachable inside of the cluster's network only. */
  readonly kubeconfigPath: string
  /** Handle of the cluster's network namespace: `nsenter --net=` this. */
  readonly netns: string
  /** HOST:PORT of the cluster's registry, as nodes name it. */
  readonly registry = registryName
  /** Address of this computer in the cluster's network. */
  readonly hostAddress = hostAddress
  /** The API server's audit log (Metadata) on this computer, a JSON line a request. */
  readonly auditLogPath: string
  readonly #settings: Settings
  readonly #machines: readonly Machine[]
  readonly #programs: string

  constructor(settings: Settings, state: ClusterState) {
    this.name = state.name
    this.nodes = state.plan.nodes
    this.version = state.version
    this.sandboxImage = state.plan.sandboxImage
    this.folder = clusterFolder(settings, state.name)
    this.kubeconfigPath = join(this.folder, 'kubeconfig')
    this.netns = netnsOf(this.folder)
    this.#settings = settings
    this.#machines = machinesOf(settings, state)
    this.#programs = state.kubernetes
    this.auditLogPath = join(this.#machines[0]!.root, auditLog)
  }

  kubectl(args: readonly string[], options: RunOptions = {}): Promise<Output> {
    return this.run([join(this.#programs, 'kubectl'), ...args], options)
  }

  helm(args: readonly string[], options: RunOptions = {}): Promise<Output> {
    return this.run([join(this.#programs, 'helm'), ...args], options)
  }

  /** Runs a program of this computer inside of the cluster's network, with KUBECONFIG set. */
  run(argv: readonly string[], options: RunOptions = {}): Promise<Output> {
    return run(inNetwork(this.netns, argv), { ...options, env: { ...this.#environment(), ...options.env } })
  }

  /** The same for a program that goes on: the caller has the streams and ends it. */
  spawn(argv: readonly string[], options: SpawnOptions = {}): ChildProcess {
    const [program = '', ...rest] = inNetwork(this.netns, argv)
    return spawn(program, rest, { ...options, env: { ...this.#environment(), ...options.env } })
  }

  /** The path of kubectl, helm or another of the cluster's programs, for `spawn`. */
  program(name: 'kubectl' | 'helm' | 'kubeadm'): string {
    return join(this.#programs, name)
  }

  /** Runs a program on the node; code 255 when the node is off, 124 after `timeout` milliseconds. */
  exec(node: string, argv: readonly string[], options: RunOptions = {}): Promise<Output> {
    return enter(this.#machine(node), argv, options)
  }

  /** The same with the streams of this process; resolves with the exit code. */
  async execHere(node: string, argv: readonly string[]): Promise<number> {
    const command = await entering(this.#machine(node), argv)
    if (!command) throw new Error(`node ${node} is off: start it first`)
    return inForeground(spawn(command[0]!, command.slice(1), { stdio: 'inherit' }))
  }

  /** Power cut: everything on the node ends at once, its files stay as they are. */
  kill(node: string): Promise<void> {
    return powerOff(this.#machine(node))
  }

  /** Boots a node that is off. Resolves when its systemd is done; see waitReady for Kubernetes. */
  start(node: string): Promise<void> {
    return boot(this.#machine(node))
  }

  /** The node's processes, by the numbers that they have on this computer. */
  processesOf(node: string): Promise<readonly number[]> {
    // One hierarchy has them all.
    return processesIn({ folders: this.#machine(node).cgroup.folders.slice(0, 1) })
  }

  async isOn(node: string): Promise<boolean> {
    return (await initOf(this.#machine(node))) !== undefined
  }

  /** Joins a node that was brought up without an engine and has got one since, with the sandbox image loaded. */
  async join(node: string): Promise<void> {
    const machine = this.#machine(node)
    await joinCluster(machine, this.#machines.indexOf(machine))
    await startProxy(machine, await proxyKubeconfig(this.#machines[0]!))
  }

  /** Resolves when the nodes (all with an engine unless named) report Ready from the boot that they are in. */
  async waitReady(nodes?: readonly string[], timeout = 240_000): Promise<void> {
    const waited = nodes ?? this.nodes.filter(({ kind }) => nodeKinds[kind].engine).map(({ name }) => name)
    await waitFor('readiness', () => this.#notReady(waited), { timeout, every: 500 })
  }

  /** Imports Docker or OCI archives into the engines of the nodes (all with an engine unless named). */
  async load(archives: readonly string[], nodes?: readonly string[]): Promise<void> {
    const targets = this.nodes.filter(({ name, kind }) => nodes?.includes(name) ?? nodeKinds[kind].engine)
    await Promise.all(
      targets.map(async ({ name }) => {
        for (const archive of archives) await loadImage(this.#machine(name), archive)
      }),
    )
  }

  /** Puts an archive of one image into the cluster's registry, and resolves with the name that nodes pull it by. */
  push(archive: string, name: string): Promise<string> {
    return push(archive, name, this.netns)
  }

  /**
   * An archive or program that nodes can get from this computer, of a cluster that was brought up with `offers`; with a
   * fault, where they get it less well.
   */
  async download(name: DownloadName, fault?: Fault): Promise<Download> {
    const index = await readFile(join(this.folder, 'downloads', indexName), 'utf8')
    return downloadOf(JSON.parse(index), name, fault)
  }

  /** The node's root file system on this computer. Its tmpfs (/run, /tmp) are seen by `exec` alone. */
  rootOf(node: string): string {
    return this.#machine(node).root
  }

  addressOf(node: string): string {
    return nodeAddress(this.#machines.indexOf(this.#machine(node)))
  }

  /** The last lines of the node's journal, or of its console when it is off. */
  async logs(node: string, lines = 100, units: readonly string[] = []): Promise<string> {
    return nodeLogs(this.#machine(node), lines, units)
  }

  /** Ends everything that belongs to the cluster. */
  down(log: Log = () => undefined): Promise<void> {
    return takeDown(this.#settings, this.name, log)
  }

  #machine(name: string): Machine {
    const machine = this.#machines.find(({ spec }) => spec.name === name)
    if (machine) return machine
    throw new Error(
      `cluster ${this.name} has no node ${name}; it has ${this.nodes.map((node) => node.name).join(', ')}`,
    )
  }

  #environment(): NodeJS.ProcessEnv {
    const home = join(this.folder, 'home')
    // Nothing of the user's own kubectl and helm, and nothing left in their folders.
    return { PATH: process.env['PATH'], HOME: home, KUBECONFIG: this.kubeconfigPath, TERM: process.env['TERM'] }
  }

  async #notReady(names: readonly string[]): Promise<string | undefined> {
    const { code, stdout, stderr } = await this.kubectl(['get', 'nodes', '-o', 'json'], { timeout: 10_000 })
    if (code !== 0) return stderr.trim().split('\n').at(-1)
    const { items } = JSON.parse(stdout) as { items: NodeObject[] }
    for (const name of names) {
      const node = items.find(({ metadata }) => metadata.name === name)
      if (!node) return `node ${name} is not registered`
      const ready = node.status.conditions.find(({ type }) => type === 'Ready')
      if (ready?.status !== 'True') return `node ${name} is not Ready: ${ready?.message ?? 'no condition yet'}`
      // After a power cut Ready stays True until the API server misses the heartbeat: it must come from this boot.
      const here = await this.exec(name, ['cat', '/proc/sys/kernel/random/boot_id'], { timeout: 10_000 })
      if (here.stdout.trim() !== node.status.nodeInfo.bootID)
        return `node ${name} has not reported since it was started`
    }
    return undefined
  }
}

interface NodeObject {
  metadata: { name: string }
  status: { conditions: { type: string; status: string; message: string }[]; nodeInfo: { bootID: string } }
}

/** The cluster of that name. Throws when there is none, or when its `up` has not come to an end. */
export async function attach(name = defaultName, settings: Settings = settingsFrom(process.env)): Promise<Cluster> {
  const state = await readState(clusterFolder(settings, name))
  if (!state) throw new Error(`there is no cluster ${name}: bring it up with npm run cluster -- up --name ${name}`)
  return new Cluster(settings, state)
}

export function inForeground(child: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code, signal) => resolve(code ?? (signal === 'SIGINT' ? 130 : 1)))
  })
}
