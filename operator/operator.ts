/** One term of leadership: caches, queues and controllers, put together and run until the term ends. */
import type { KubeClient } from '../kube/client.ts'
import type { Clock } from '../kube/clock.ts'
import { type Reconcile, runController } from '../kube/controller.ts'
import type { EventRecorder } from '../kube/events.ts'
import type { Log } from '../kube/log.ts'
import type { Metrics } from '../kube/metrics.ts'
import { WorkQueue } from '../kube/workqueue.ts'
import { agentDaemonSet, Caches, type Queues } from './caches.ts'
import type { DaemonSetObject } from './controllers/agent/daemonset.ts'
import { reconcileAgent } from './controllers/agent/reconcile.ts'
import { Drainer } from './controllers/drain/drainer.ts'
import { ReportWriter } from './controllers/migrationreport/write.ts'
import { reconcileNodeRuntime } from './controllers/noderuntime/reconcile.ts'
import { NodeRuntimeWriter } from './controllers/noderuntime/write.ts'
import { RuntimeClassController } from './controllers/runtimeclass/reconcile.ts'
import { GateTimer } from './controllers/runtimeprofile/gate-timer.ts'
import { Lookout } from './controllers/runtimeprofile/lookout.ts'
import { ProfileController } from './controllers/runtimeprofile/reconcile.ts'
import { Records } from './controllers/runtimeprofile/records.ts'
import { reconcileStartupTaint } from './controllers/startuptaint/reconcile.ts'

export interface OperatorOptions {
  readonly client: KubeClient
  readonly clock: Clock
  readonly log: Log
  readonly metrics: Metrics
  readonly events: EventRecorder
  /** Undefined: somebody else runs the agents. */
  readonly agent: DaemonSetObject | undefined
  readonly courierTimeoutSeconds: number
}

export interface Term {
  /** The leader's epoch. */
  readonly fence: number
  readonly signal: AbortSignal
  /** The caches are complete, and work begins. */
  readonly onSynced?: () => void
}

interface Work {
  readonly name: string
  readonly queue: WorkQueue
  readonly concurrency: number
  readonly reconcile: Reconcile
}

const reconcileTimeoutMs = 120_000

/** Runs until the signal aborts. Each leader reads its caches anew: one that is older than the lease cannot be acted on. */
export async function lead(options: OperatorOptions, { fence, signal, onSynced }: Term): Promise<void> {
  const { client, clock, log, metrics, agent } = options
  const queue = (name: string): WorkQueue => new WorkQueue({ name, clock, metrics })
  const queues = {
    profiles: queue('runtimeprofile'),
    runtimes: queue('noderuntime'),
    runtimeClasses: queue('runtimeclass'),
    agent: queue('agent'),
  } satisfies Queues
  const caches = new Caches({ client, clock, log, metrics, queues, agent })
  const watching = caches.run(signal)
  await Promise.race([caches.synced(), watching])
  if (!signal.aborted) {
    log.info('caches are complete', { nodes: caches.nodes.list().length, profiles: caches.profiles.list().length })
    onSynced?.()
    queues.agent.add(agentDaemonSet)
    const works = controllers(options, caches, { queues, fence, signal })
    const common = { timeoutMs: reconcileTimeoutMs, signal, log, metrics, clock }
    await Promise.all(works.map((work) => runController({ ...common, ...work })))
  }
  // Keys that wait for a deadline keep a timer each, up to the length of a drain.
  for (const each of Object.values(queues)) each.shutDown()
  await watching
}

interface TermTools {
  readonly queues: Queues
  readonly fence: number
  readonly signal: AbortSignal
}

function controllers(options: OperatorOptions, caches: Caches, { queues, fence, signal }: TermTools): Work[] {
  const { client, clock, log, metrics, events, agent, courierTimeoutSeconds } = options
  const { profiles, nodes, runtimes, reports, runtimeClasses, daemonSets } = caches
  const writer = new NodeRuntimeWriter({ client, fence, courierTimeoutSeconds })
  const reportWriter = new ReportWriter({ client, reports, clock })
  const onProgress = (profile: string): void => queues.profiles.add(profile)
  const profile = new ProfileController({
    client,
    stores: caches,
    executor: {
      client,
      stores: caches,
      writer,
      records: new Records({ client, stores: caches, writer: reportWriter, events, clock }),
      events,
      metrics,
    },
    drainer: new Drainer({ client, clock, log, signal, onProgress }),
    gate: new GateTimer(clock),
    lookout: new Lookout({ client, clock, metrics }),
    clock,
    metrics,
  })
  const classes = new RuntimeClassController({ client, profiles, runtimeClasses, events })
  return [
    // One at a time: the plan of one profile must see what that of another has begun.
    { name: 'runtimeprofile', queue: queues.profiles, concurrency: 1, reconcile: (name) => profile.reconcile(name) },
    {
      name: 'noderuntime',
      queue: queues.runtimes,
      concurrency: 8,
      reconcile: async (name) => {
        await reconcileNodeRuntime({ nodes, runtimes, writer }, name)
        await reconcileStartupTaint({ client, events, nodes, profiles, runtimes }, name)
      },
    },
    { name: 'runtimeclass', queue: queues.runtimeClasses, concurrency: 1, reconcile: () => classes.reconcile() },
    {
      name: 'agent',
      queue: queues.agent,
      concurrency: 1,
      reconcile: async () => {
        if (agent && daemonSets) await reconcileAgent({ client, wanted: agent, daemonSets, runtimes })
      },
    },
  ]
}
