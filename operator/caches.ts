/** What the leader sees of the cluster, and which queue hears of a change. */
import type { NodeRuntime, RuntimeProfile } from '../crds/types.gen.ts'
import type { KubeClient } from '../kube/client.ts'
import type { Clock } from '../kube/clock.ts'
import type { Log } from '../kube/log.ts'
import type { Metrics } from '../kube/metrics.ts'
import { Reflector, type ReflectorOptions } from '../kube/reflector.ts'
import { DaemonSets, type KubeObject, Nodes, RuntimeClasses } from '../kube/resource.ts'
import type { WorkQueue } from '../kube/workqueue.ts'
import type { DaemonSetObject } from './controllers/agent/daemonset.ts'
import { projectDaemonSet } from './controllers/agent/reconcile.ts'
import { projectReport, type ReportObject } from './controllers/migrationreport/view.ts'
import { type NodeObject, projectNode } from './controllers/node/view.ts'
import { projectNodeRuntime } from './controllers/noderuntime/view.ts'
import type { RuntimeClassObject } from './controllers/runtimeclass/plan.ts'
import { Store } from './controllers/store.ts'
import { MigrationReports, NodeRuntimes, RuntimeProfiles } from './resources.ts'
import { nodeNews, profileNews } from './triggers.ts'

export interface Queues {
  /** By name of the profile. */
  readonly profiles: WorkQueue
  /** By name of the node. */
  readonly runtimes: WorkQueue
  /** One key: all RuntimeClasses. */
  readonly runtimeClasses: WorkQueue
  /** One key: the agent's DaemonSet. */
  readonly agent: WorkQueue
}

export interface CachesOptions {
  readonly client: Pick<KubeClient, 'list' | 'watch'>
  readonly clock: Clock
  readonly log: Log
  readonly metrics: Metrics
  readonly queues: Queues
  /** The DaemonSet to watch. */
  readonly agent: DaemonSetObject | undefined
}

type CacheOptions<T extends KubeObject> = Pick<ReflectorOptions<T>, 'type' | 'options'> & {
  readonly project: (object: T) => T
  readonly onChange: (name: string, object: T | undefined) => void
}

/** The keys of queues that know one piece of work only. */
const allRuntimeClasses = 'runtimeclasses'
export const agentDaemonSet = 'agent'

export class Caches {
  readonly profiles: Store<RuntimeProfile>
  readonly nodes: Store<NodeObject>
  readonly runtimes: Store<NodeRuntime>
  readonly reports: Store<ReportObject>
  readonly runtimeClasses: Store<RuntimeClassObject>
  readonly daemonSets: Store<DaemonSetObject> | undefined
  readonly #options: CachesOptions
  readonly #reflectors: { readonly synced: Promise<void>; run(signal: AbortSignal): Promise<void> }[] = []

  constructor(options: CachesOptions) {
    this.#options = options
    this.profiles = this.#watchProfiles(options.queues)
    this.runtimes = this.#watchRuntimes(options.queues)
    this.nodes = this.#watchNodes(options.queues)
    this.reports = this.#open({ type: MigrationReports, project: projectReport, onChange: () => {} })
    this.runtimeClasses = this.#open({
      type: RuntimeClasses,
      project: withoutManagedFields<RuntimeClassObject>,
      onChange: () => options.queues.runtimeClasses.add(allRuntimeClasses),
    })
    this.daemonSets = options.agent && this.#watchAgent(options.agent, options.queues)
  }

  /** Every cache was filled once. Stays pending when the caches are stopped before. */
  async synced(): Promise<void> {
    await Promise.all(this.#reflectors.map(({ synced }) => synced))
  }

  async run(signal: AbortSignal): Promise<void> {
    await Promise.all(this.#reflectors.map((reflector) => reflector.run(signal)))
  }

  #open<T extends KubeObject>({ project, onChange, ...rest }: CacheOptions<T>): Store<T> {
    const { client, clock, log, metrics } = this.#options
    const notify = (key: string, object: T | undefined): void => {
      const name = key.slice(key.indexOf('/') + 1)
      if (object === undefined) store.forget(name)
      onChange(name, object)
    }
    const reflector = new Reflector<T>({ client, clock, log, metrics, project, onChange: notify, ...rest })
    const store = new Store<T>(reflector, project, rest.options?.namespace)
    this.#reflectors.push(reflector)
    return store
  }

  #watchProfiles({ profiles, runtimes, runtimeClasses }: Queues): Store<RuntimeProfile> {
    const isNews = profileNews()
    return this.#open<RuntimeProfile>({
      type: RuntimeProfiles,
      project: withoutManagedFields,
      onChange: (name, profile) => {
        profiles.add(name)
        if (!isNews(name, profile)) return
        runtimeClasses.add(allRuntimeClasses)
        this.#everyProfile(profiles)
        for (const { metadata, spec } of this.nodes.list()) if (spec?.taints) runtimes.add(metadata.name ?? '')
      },
    })
  }

  #watchRuntimes({ agent, profiles, runtimes }: Queues): Store<NodeRuntime> {
    return this.#open<NodeRuntime>({
      type: NodeRuntimes,
      project: projectNodeRuntime,
      onChange: (name, runtime) => {
        if (!runtime || this.nodes.get(name)?.spec?.taints) runtimes.add(name)
        agent.add(agentDaemonSet)
        this.#everyProfile(profiles)
      },
    })
  }

  #watchNodes({ profiles, runtimes }: Queues): Store<NodeObject> {
    const isNews = nodeNews((name) => this.runtimes.get(name))
    return this.#open<NodeObject>({
      type: Nodes,
      project: projectNode,
      onChange: (name, node) => {
        if (!isNews(name, node)) return
        runtimes.add(name)
        this.#everyProfile(profiles)
      },
    })
  }

  #watchAgent({ metadata }: DaemonSetObject, { agent }: Queues): Store<DaemonSetObject> {
    const { namespace = '', name = '' } = metadata
    return this.#open<DaemonSetObject>({
      type: DaemonSets,
      options: { namespace, fieldSelector: `metadata.name=${name}` },
      project: projectDaemonSet,
      onChange: () => agent.add(agentDaemonSet),
    })
  }

  #everyProfile(queue: WorkQueue): void {
    for (const { metadata } of this.profiles.list()) queue.add(metadata.name)
  }
}

function withoutManagedFields<T extends KubeObject>(object: T): T {
  const { managedFields: _, ...metadata } = object.metadata
  return { ...object, metadata }
}
