/** The real operator against a real API server: nodes made by hand, agents that keep to docs/protocol.md. */
import { annotations } from '../../crds/protocol.ts'
import type { MigrationReport, NodeRuntime, RuntimeProfile, RuntimeProfileSpec } from '../../crds/types.gen.ts'
import { KubeClient } from '../../kube/client.ts'
import { systemClock } from '../../kube/clock.ts'
import { EventRecorder } from '../../kube/events.ts'
import { kubeconfigTransport } from '../../kube/kubeconfig.ts'
import { silentLog } from '../../kube/log.ts'
import { noMetrics } from '../../kube/metrics.ts'
import { Reflector } from '../../kube/reflector.ts'
import { type KubeObject, Nodes, PodDisruptionBudgets, Pods } from '../../kube/resource.ts'
import type { Transport } from '../../kube/transport.ts'
import type { DaemonSetObject } from '../../operator/controllers/agent/daemonset.ts'
import type { NodeObject } from '../../operator/controllers/node/view.ts'
import { lead } from '../../operator/operator.ts'
import { MigrationReports, NodeRuntimes, RuntimeProfiles } from '../../operator/resources.ts'
import { answerOf } from '../../operator/rollout/answer.ts'
import { waitFor } from '../cluster/progress.ts'
import type { ApiServer } from './server.ts'

type Status = NonNullable<NodeRuntime['status']>

export interface Write {
  readonly method: string
  readonly path: string
}

/** Counts what passes, and can cut the connection after so many writes as a killed process does. */
export class Wire implements Transport {
  readonly writes: Write[] = []
  readonly #inner: Transport
  #left = Number.POSITIVE_INFINITY
  #onCut: () => void = () => {}

  constructor(inner: Transport) {
    this.#inner = inner
  }

  cutAfter(writes: number, onCut: () => void): void {
    this.#left = writes
    this.#onCut = onCut
  }

  async request(request: Parameters<Transport['request']>[0]): ReturnType<Transport['request']> {
    if (request.method === 'GET') return this.#inner.request(request)
    if (this.#left <= 0) throw new Error('the process is dead')
    this.#left--
    this.writes.push({ method: request.method, path: request.path })
    const answer = await this.#inner.request(request)
    if (this.#left <= 0) {
      // The write has happened, and nobody lives to read the answer.
      this.#onCut()
      throw new Error('the process is dead')
    }
    return answer
  }

  stream(request: Parameters<Transport['stream']>[0]): ReturnType<Transport['stream']> {
    return this.#inner.stream(request)
  }

  close(): void {
    this.#inner.close()
  }
}

export interface RunningOperator {
  readonly wire: Wire
  /** Resolves when it has ended. */
  readonly ended: Promise<void>
  stop(): Promise<void>
}

export class Rig {
  readonly client: KubeClient
  readonly #server: ApiServer
  readonly #transport: Transport
  #fence = 1

  constructor(server: ApiServer) {
    this.#server = server
    this.#transport = kubeconfigTransport(server.kubeconfigPath)
    this.client = new KubeClient(this.#transport)
  }

  close(): void {
    this.#transport.close()
  }

  startOperator({ agent, cutAfter }: { agent?: DaemonSetObject; cutAfter?: number } = {}): RunningOperator {
    const stop = new AbortController()
    const wire = new Wire(kubeconfigTransport(this.#server.kubeconfigPath))
    if (cutAfter !== undefined) wire.cutAfter(cutAfter, () => stop.abort())
    const client = new KubeClient(wire, { userAgent: 'drydock-operator' })
    const clock = systemClock
    const events = new EventRecorder({
      client,
      controller: 'drydock.dev/operator',
      instance: 'test',
      namespace: 'default',
      clock,
    })
    const operator = { client, clock, log: silentLog, metrics: noMetrics, events, agent, courierTimeoutSeconds: 60 }
    const ended = lead(operator, { fence: this.#fence++, signal: stop.signal }).finally(() => wire.close())
    return {
      wire,
      ended,
      stop: async () => {
        await events.flush()
        stop.abort()
        await ended
      },
    }
  }

  async addNode(name: string, labels: Record<string, string> = {}, taints: readonly object[] = []): Promise<void> {
    await this.client.create(Nodes, {
      metadata: { name, labels: { ...labels, 'kubernetes.io/hostname': name } },
      ...(taints.length > 0 && { spec: { taints } }),
    } as KubeObject)
    await this.setNodeStatus(name)
  }

  /** What a kubelet would report. */
  async setNodeStatus(
    name: string,
    { ready = true, runtime = nodeInfo.containerRuntimeVersion }: { ready?: boolean; runtime?: string } = {},
  ): Promise<void> {
    const now = new Date().toISOString().replace(/\.\d+Z$/, 'Z')
    const condition = {
      type: 'Ready',
      status: ready ? 'True' : 'False',
      reason: 'Test',
      message: 'by hand',
      lastHeartbeatTime: now,
      lastTransitionTime: now,
    }
    const status = { conditions: [condition], nodeInfo: { ...nodeInfo, containerRuntimeVersion: runtime } }
    await this.client.patch(Nodes, { name }, { status }, { kind: 'merge', subresource: 'status' })
  }

  async addPod(
    namespace: string,
    name: string,
    node: string,
    over: { owner?: string; labels?: Record<string, string>; emptyDir?: boolean; finalizers?: string[] } = {},
  ): Promise<void> {
    const { owner = 'ReplicaSet', labels = {}, emptyDir = false, finalizers = [] } = over
    const ownerReferences = owner
      ? [
          {
            apiVersion: 'apps/v1',
            kind: owner,
            name: 'owner',
            uid: '00000000-0000-0000-0000-000000000001',
            controller: true,
          },
        ]
      : []
    await this.client.create(Pods, {
      metadata: { name, namespace, labels, ownerReferences, finalizers },
      spec: {
        nodeName: node,
        terminationGracePeriodSeconds: 0,
        automountServiceAccountToken: false,
        containers: [{ name: 'main', image: 'none' }],
        ...(emptyDir && { volumes: [{ name: 'data', emptyDir: {} }] }),
      },
    } as KubeObject)
    const status = { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] }
    await this.client.patch(Pods, { namespace, name }, { status }, { kind: 'merge', subresource: 'status' })
  }

  /** No controller keeps its status: it is written as one would. */
  async addBudget(namespace: string, name: string, labels: Record<string, string>, disruptionsAllowed: number) {
    await this.client.create(PodDisruptionBudgets, {
      metadata: { name, namespace },
      spec: { minAvailable: 1, selector: { matchLabels: labels } },
    } as KubeObject)
    await this.allow(namespace, name, disruptionsAllowed)
  }

  async allow(namespace: string, name: string, disruptionsAllowed: number): Promise<void> {
    const status = { disruptionsAllowed, currentHealthy: 1, desiredHealthy: 1, expectedPods: 1, observedGeneration: 1 }
    await this.client.patch(
      PodDisruptionBudgets,
      { namespace, name },
      { status },
      { kind: 'merge', subresource: 'status' },
    )
  }

  async apply(name: string, spec: Partial<RuntimeProfileSpec>): Promise<void> {
    const full = { nodeSelector: {}, engine: { name: 'containerd' as const }, ...spec }
    const profile = {
      apiVersion: 'drydock.dev/v1alpha1' as const,
      kind: 'RuntimeProfile' as const,
      metadata: { name },
      spec: full,
    }
    await this.client.apply<RuntimeProfile>(RuntimeProfiles, profile, { fieldManager: 'test', force: true })
  }

  async annotate(name: string, annotations: Record<string, string | null>): Promise<void> {
    await this.client.patch(RuntimeProfiles, { name }, { metadata: { annotations } }, { kind: 'merge' })
  }

  /** Waits until the status of the profile says this. */
  untilSays(name: string, wanted: RegExp): Promise<void> {
    return this.until(`${wanted}`, async () => {
      const message = (await this.profile(name))?.status?.message ?? 'no message'
      return wanted.test(message) ? undefined : message
    })
  }

  profile(name: string): Promise<RuntimeProfile | undefined> {
    return this.client.get<RuntimeProfile>(RuntimeProfiles, { name })
  }

  async nodes(): Promise<NodeObject[]> {
    return (await this.client.list<NodeObject>(Nodes)).items
  }

  async runtimes(): Promise<NodeRuntime[]> {
    return (await this.client.list<NodeRuntime>(NodeRuntimes)).items
  }

  async reports(): Promise<MigrationReport[]> {
    return (await this.client.list<MigrationReport>(MigrationReports)).items
  }

  async until(what: string, test: () => Promise<string | undefined>, timeout = 60_000): Promise<void> {
    await waitFor(what, test, { timeout, every: 50 })
  }

  untilReady(name: string, timeout?: number): Promise<void> {
    return this.until(
      `profile ${name}`,
      async () => {
        const profile = await this.profile(name)
        const ready = profile?.status?.conditions?.find(({ type }) => type === 'Ready')
        const isCurrent = profile?.status?.observedGeneration === profile?.metadata.generation
        return ready?.status === 'True' && isCurrent ? undefined : (profile?.status?.message ?? 'no status')
      },
      timeout,
    )
  }
}

const nodeInfo = {
  architecture: 'amd64',
  bootID: '1',
  containerRuntimeVersion: 'containerd://1.7.24',
  kernelVersion: '6',
  kubeProxyVersion: 'v1',
  kubeletVersion: 'v1',
  machineID: '1',
  operatingSystem: 'linux',
  osImage: 'test',
  systemUUID: '1',
}

export interface AgentOptions {
  /** The answer of a node in place of the one that all give; undefined for the usual one. */
  readonly answer?: (runtime: NodeRuntime, usual: Partial<Status>) => Partial<Status> | undefined
  /** Called at each answer, before it is written. */
  readonly onAnswer?: (runtime: NodeRuntime, phase: string) => Promise<void>
}

/** One process for the agents of all nodes: answers each order, step by step, and keeps the heartbeat of its kubelet. */
export class ScriptedAgents {
  readonly writes: Write[] = []
  readonly #rig: Rig
  readonly #options: AgentOptions
  readonly #stop = new AbortController()
  readonly #running: Promise<void>
  readonly #work = new Map<string, Promise<void>>()
  readonly errors: unknown[] = []

  constructor(rig: Rig, options: AgentOptions = {}) {
    this.#rig = rig
    this.#options = options
    const reflector = new Reflector<NodeRuntime>({
      client: rig.client,
      type: NodeRuntimes,
      onChange: (name, runtime) => {
        const former = this.#work.get(name) ?? Promise.resolve()
        if (runtime)
          this.#work.set(
            name,
            former.then(() => this.#answer(name)).catch((error) => void this.errors.push(error)),
          )
      },
    })
    this.#running = reflector.run(this.#stop.signal)
  }

  async stop(): Promise<void> {
    this.#stop.abort()
    await this.#running
    await Promise.all(this.#work.values())
  }

  async #answer(name: string): Promise<void> {
    if (this.#stop.signal.aborted) return
    const runtime = await this.#rig.client.get<NodeRuntime>(NodeRuntimes, { name })
    const { revision, attempt, permit } = runtime?.spec ?? {}
    if (!runtime || revision === undefined || attempt === undefined) {
      if (permit === 'Remove') await this.#say(name, { phase: 'Removed' })
      return
    }
    const usual = usualAnswer(runtime)
    if (!usual) return
    const answer = this.#options.answer?.(runtime, usual) ?? usual
    await this.#options.onAnswer?.(runtime, answer.phase ?? '')
    if (answer.phase === 'Proven') {
      // Heartbeats have whole seconds, and the one after the proof must differ from the one before.
      await systemClock.sleep(1_050)
      const time = new Date().toISOString()
      const verification = { ...proofOf(runtime), ...answer.verification, time }
      await this.#say(name, { ...answer, revision, attempt, verification })
      const { engineName = 'containerd', engineVersion } = verification
      await this.#rig.setNodeStatus(name, { runtime: `${engineName}://${engineVersion}` })
      return
    }
    await this.#say(name, { ...answer, revision, attempt })
  }

  async #say(name: string, status: Partial<Status>): Promise<void> {
    this.writes.push({ method: 'PATCH', path: name })
    await this.#rig.client.patch(NodeRuntimes, { name }, { status }, { kind: 'merge', subresource: 'status' })
  }
}

const observed = { engine: { name: 'containerd', version: '1.7.24' }, cgroup: { engineDriver: 'cgroupfs' as const } }

function usualAnswer(runtime: NodeRuntime): Partial<Status> | undefined {
  const permit = runtime.spec?.permit
  const phase = answerOf(runtime)?.phase
  if (permit === 'Remove') return phase === 'Removed' ? undefined : { phase: 'Removed' }
  if (phase === undefined) {
    return {
      phase: 'Prepared',
      action: 'DrainRestart',
      observed,
      changes: [{ path: '/etc/containerd/config.toml', diff: '-a\n+b' }],
    }
  }
  if (phase === 'Prepared' && permit === 'Switch') return { phase: 'Switching' }
  if (phase === 'Switching') return { phase: 'Proven' }
  if (phase === 'Proven' && permit === 'Commit') return { phase: 'Committed' }
  if (phase === 'Proven' && permit === 'Rollback') return { phase: 'RolledBack', reason: 'Ordered', message: 'told to' }
  return undefined
}

function proofOf({ spec }: NodeRuntime): Status['verification'] & object {
  const handlers = (spec?.target?.handlers ?? []).map(({ name }) => ({ name, passed: true, durationMilliseconds: 400 }))
  return { passed: true, time: '', durationMilliseconds: 900, engineVersion: '1.7.24', handlers }
}

/** Nodes that bear Drydock's cordon. */
export const cordonedByUs = (nodes: readonly NodeObject[]): string[] =>
  nodes
    .filter(({ metadata }) => metadata.annotations?.[annotations.cordonedBy])
    .map(({ metadata }) => metadata.name ?? '')
