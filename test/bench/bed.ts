/** The cluster that is measured, and the programs that measure on its nodes. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { NodeRuntime } from '../../crds/types.gen.ts'
import { type Cluster, succeeded } from '../cluster/cluster.ts'
import { apply, kubectl } from '../support/install.ts'
import { installProgram, programFolder } from '../support/on-node.ts'
import { watching } from './on-node/watching.ts'

/** The two states between which the node is moved. */
export const states = {
  there: {
    cgroupDriver: 'systemd',
    handlers: [
      { name: 'runc', default: true },
      { name: 'crun', runtimeClass: {} },
    ],
  },
  back: { cgroupDriver: 'cgroupfs', handlers: [{ name: 'runc', default: true }] },
} as const
export type State = keyof typeof states

const daemons = 4
const settleMs = 120_000

export class Bed {
  readonly cluster: Cluster
  readonly controlPlane: string
  readonly workers: readonly string[]
  /** The worker that most is measured on. */
  readonly worker: string
  readonly log: (line: string) => void

  constructor(cluster: Cluster, log: (line: string) => void) {
    const [controlPlane, ...workers] = cluster.nodes.map(({ name }) => name)
    const [worker] = workers
    if (!controlPlane || !worker) throw new Error('the benchmark needs a control plane and a worker')
    this.cluster = cluster
    this.controlPlane = controlPlane
    this.workers = workers
    this.worker = worker
    this.log = log
  }

  kubectl(...args: readonly string[]): Promise<string> {
    return kubectl(this.cluster, args)
  }

  async onNode(node: string, argv: readonly string[], input?: string): Promise<string> {
    const options = { timeout: 600_000, ...(input !== undefined && { input }) }
    return succeeded(argv, await this.cluster.exec(node, argv, options))
  }

  /** Pods that no drain moves, so that a change has some to remove. */
  async addDaemons(): Promise<void> {
    await apply(
      this.cluster,
      ...Array.from({ length: daemons }, (_, index) => daemon(`bench-${index + 1}`, this.worker)),
    )
    await this.settled()
  }

  /** Takes the worker to a state as a user would. Resolves when the profile is Ready, with what the node says. */
  async migrate(state: State): Promise<NodeRuntime> {
    await this.apply('bench', [this.worker], state)
    return JSON.parse(await this.kubectl('get', 'noderuntime', this.worker, '-o', 'json')) as NodeRuntime
  }

  /** Applies a profile for some nodes, and resolves when it is Ready. */
  async apply(name: string, nodes: readonly string[], state: State): Promise<void> {
    const nodeSelector = {
      matchExpressions: [{ key: 'kubernetes.io/hostname', operator: 'In', values: [...nodes] }],
    }
    await apply(this.cluster, {
      apiVersion: 'drydock.dev/v1alpha1',
      kind: 'RuntimeProfile',
      metadata: { name },
      spec: { nodeSelector, engine: { name: 'containerd' }, ...states[state] },
    })
    await this.kubectl('wait', '--for=condition=Ready', `runtimeprofile/${name}`, '--timeout=4m')
  }

  /** Resolves when the worker is in service and all of its pods run. */
  async settled(): Promise<void> {
    await this.kubectl('wait', '--for=condition=Ready', `node/${this.worker}`, '--timeout=2m')
    const onWorker = ['--all-namespaces', `--field-selector=spec.nodeName=${this.worker}`]
    const end = Date.now() + settleMs
    for (;;) {
      // What the API says of pods is that of before until the kubelet has written: the engine knows better.
      const pods = lines(await this.kubectl('get', 'pods', ...onWorker, '-o', 'name')).length
      const tasks = lines(await this.onNode(this.worker, ['ctr', '-n', 'k8s.io', 'tasks', 'ls']))
      if (pods > daemons && tasks.filter((line) => line.endsWith('RUNNING')).length === 2 * pods) break
      if (Date.now() > end) throw new Error(`the pods of ${this.worker} do not run:\n${tasks.join('\n')}`)
      await sleep(500)
    }
    await this.kubectl('wait', '--for=condition=Ready', 'pod', '--all', ...onWorker, '--timeout=2m')
  }

  /** Puts a program of `on-node/` on the node. Gives the command that runs it in the engine's own Node. */
  install(node: string, name: string): Promise<readonly string[]> {
    return installProgram(this.cluster, node, `test/bench/on-node/${name}.ts`)
  }

  /** Runs a program of `on-node/` on the node while something happens there. Gives what it printed at its end. */
  async watched<T>(
    node: string,
    [name, ...args]: readonly [string, ...string[]],
    act: () => Promise<unknown>,
  ): Promise<T> {
    const [loader = '', option = '', libraries = '', program = '', ...rest] = await this.install(node, name)
    // A copy: pages of one file are shared, and the engine is to be seen as it is without a watcher.
    const copy = `${programFolder}/node`
    await this.onNode(node, ['cp', '--update', program, copy])
    const command = [loader, option, libraries, copy, ...rest, ...args]
    const unit = `drydock-bench-${name}`
    const output = `${programFolder}/${name}.json`
    const properties = [`StandardOutput=truncate:${output}`, 'Type=exec'].flatMap((property) => ['-p', property])
    await this.onNode(node, ['systemd-run', '--quiet', '--collect', `--unit=${unit}`, ...properties, ...command])
    const printed = () => readFileSync(join(this.cluster.rootOf(node), output), 'utf8')
    try {
      while (!printed().startsWith(watching)) await sleep(20)
      await act()
    } finally {
      await this.onNode(node, ['systemctl', 'stop', unit])
    }
    return JSON.parse(printed().slice(watching.length)) as T
  }
}

const lines = (text: string): readonly string[] => text.split('\n').filter((line) => line !== '')

/** A DaemonSet for a node, or for all of them. */
export const daemon = (name: string, node?: string): object => {
  const container = {
    name: 'main',
    image: 'docker.io/library/busybox:1.36',
    imagePullPolicy: 'Never',
    command: ['sh', '-c', 'trap "exit 0" TERM; sleep 1d & wait'],
  }
  return {
    apiVersion: 'apps/v1',
    kind: 'DaemonSet',
    metadata: { name, namespace: 'default' },
    spec: {
      selector: { matchLabels: { app: name } },
      template: {
        metadata: { labels: { app: name } },
        spec: {
          ...(node !== undefined && { nodeSelector: { 'kubernetes.io/hostname': node } }),
          containers: [container],
        },
      },
    },
  }
}
