/** Carries decisions out. Every write is made at the version that was planned with, and is remembered at once. */
import { finalizer } from '../../../crds/protocol.ts'
import type { NodeRuntime, RuntimeProfile } from '../../../crds/types.gen.ts'
import type { KubeClient } from '../../../kube/client.ts'
import type { EventRecorder } from '../../../kube/events.ts'
import type { Metrics } from '../../../kube/metrics.ts'
import { type KubeObject, Nodes } from '../../../kube/resource.ts'
import { ordersTotal } from '../../metrics.ts'
import { NodeRuntimes, RuntimeProfiles } from '../../resources.ts'
import type { Decision } from '../../rollout/types.ts'
import type { NodeObject } from '../node/view.ts'
import { cordon, giveBack } from '../node/write.ts'
import type { NodeRuntimeWriter } from '../noderuntime/write.ts'
import type { Store } from '../store.ts'
import { atVersion } from '../store-write.ts'
import * as events from './events.ts'
import type { Stores } from './gather.ts'
import type { Records } from './records.ts'

export interface Executor {
  readonly client: Pick<KubeClient, 'get' | 'patch'>
  readonly stores: Stores
  readonly writer: NodeRuntimeWriter
  readonly records: Records
  readonly events: Pick<EventRecorder, 'record'>
  readonly metrics: Pick<Metrics, 'add'>
}

/** Nodes and NodeRuntimes as a plan saw them: the watch goes on while decisions are carried out. */
export interface Seen {
  readonly nodes: ReadonlyMap<string, NodeObject>
  readonly runtimes: ReadonlyMap<string, NodeRuntime>
}

/** What the decisions are about, as it is now. */
export function seenBy(decisions: readonly Decision[], { nodes, runtimes }: Stores): Seen {
  const names = new Set(decisions.flatMap((decision) => ('node' in decision ? [decision.node] : [])))
  const from = <T extends KubeObject>(store: Pick<Store<T>, 'get'>): ReadonlyMap<string, T> =>
    new Map([...names].flatMap((name) => [store.get(name)].flatMap((object) => (object ? [[name, object]] : []))))
  return { nodes: from(nodes), runtimes: from(runtimes) }
}

/** A plan of one profile, and what it was made from. */
export interface Planned {
  readonly profile: RuntimeProfile
  readonly decisions: readonly Decision[]
  readonly seen: Seen
}

/** What became of the decisions of a plan. */
export interface Executed {
  /** Writes that were tried. */
  readonly writes: number
  /** Why some of them failed. */
  readonly errors: readonly unknown[]
}

/** Writes at a time: the transport has as many connections. */
const parallel = 16

/** What nobody waits for, and a change of the profile asks of every node at once. */
const unhurried: readonly Decision['kind'][] = ['Order', 'Adopt', 'Release']
/** So many of them in one go: nodes under way are looked at in between. */
const mostUnhurried = 64

/**
 * Carries decisions out but Drain, which is no write. A decision whose object changed in between is dropped, with the
 * object read anew: the next plan decides again, as it does of the orders that are too many at once. Gives all other
 * errors and throws none: what is refused of one node must not hide what goes on with the others.
 */
export async function execute(executor: Executor, { profile, decisions, seen }: Planned): Promise<Executed> {
  const writes = inPortion(decisions.filter(({ kind }) => kind !== 'Drain'))
  const of = (...kinds: readonly Decision['kind'][]): Decision[] => writes.filter(({ kind }) => kinds.includes(kind))
  const isNodes = ({ kind }: Decision): boolean => !reportKinds.includes(kind) && !finalizerKinds.includes(kind)
  const errors: unknown[] = []
  const run = async (tasks: readonly (() => Promise<void>)[]): Promise<void> => {
    errors.push(...(await settle(tasks)))
  }
  // A report is there before its first order, and the finalizer before anything and until after everything.
  await run(of('AddFinalizer').map(() => () => setFinalizer(executor, profile, true)))
  await run(of('StartReport').map((decision) => () => executor.records.start(decision, profile)))
  // A plan never replaces an order that it also records.
  await run([
    ...writes.filter(isNodes).map((decision) => () => onNode(executor, { profile, seen }, decision)),
    ...executor.records.tasks(of('RecordNode', 'FinishReport'), profile),
  ])
  if (errors.length === 0) await run(of('RemoveFinalizer').map(() => () => setFinalizer(executor, profile, false)))
  return { writes: writes.length, errors }
}

function inPortion(decisions: readonly Decision[]): Decision[] {
  const isHurried = ({ kind }: Decision): boolean => !unhurried.includes(kind)
  const others = decisions.filter((decision) => !isHurried(decision))
  return [...decisions.filter(isHurried), ...others.slice(0, mostUnhurried)]
}

const reportKinds: readonly Decision['kind'][] = ['StartReport', 'RecordNode', 'FinishReport']
const finalizerKinds: readonly Decision['kind'][] = ['AddFinalizer', 'RemoveFinalizer']

/** Runs the tasks, a few at a time; gives the errors. */
export async function settle(tasks: readonly (() => Promise<void>)[]): Promise<unknown[]> {
  const errors: unknown[] = []
  const waiting = [...tasks]
  const work = async (): Promise<void> => {
    for (let task = waiting.shift(); task; task = waiting.shift()) {
      try {
        await task()
      } catch (error) {
        errors.push(error)
      }
    }
  }
  await Promise.all(Array.from({ length: Math.min(parallel, tasks.length) }, work))
  return errors
}

type NodeDecision = Extract<Decision, { node: string }>

type Context = Pick<Planned, 'profile' | 'seen'>

async function onNode(executor: Executor, { profile, seen }: Context, decision: Decision): Promise<void> {
  if (!('node' in decision)) return
  const { stores } = executor
  if (decision.kind === 'Cordon' || decision.kind === 'Return') {
    const node = seen.nodes.get(decision.node)
    if (!node) return
    await atVersion(executor.client, { type: Nodes, store: stores.nodes, name: decision.node }, async () => {
      if (decision.kind === 'Return') return giveBack(executor.client, node, decision)
      const cordoned = await cordon(executor.client, node, decision.mark)
      events.cordoned(executor.events, decision.node, profile)
      return cordoned
    })
    return
  }
  const runtime = seen.runtimes.get(decision.node)
  if (!runtime) return
  await atVersion(executor.client, { type: NodeRuntimes, store: stores.runtimes, name: decision.node }, async () => {
    const written = await writeOrder(executor.writer, profile, runtime, decision)
    if (decision.kind === 'Order') noteOrder(executor, profile, decision)
    return written
  })
}

function noteOrder(
  { events: recorder, metrics }: Executor,
  profile: RuntimeProfile,
  { node, order }: Extract<Decision, { kind: 'Order' }>,
): void {
  const purpose = order.report === undefined ? 'proof' : order.repairs ? 'repair' : 'change'
  metrics.add(ordersTotal, { profile: profile.metadata.name, purpose })
  if (purpose === 'repair') events.repaired(recorder, node, profile)
}

function writeOrder(
  writer: NodeRuntimeWriter,
  profile: RuntimeProfile,
  runtime: NodeRuntime,
  decision: NodeDecision,
): Promise<NodeRuntime> {
  switch (decision.kind) {
    case 'Order':
      return writer.order(runtime, profile, decision.order)
    case 'Adopt':
      return writer.adopt(runtime, profile)
    case 'Release':
      return writer.release(runtime)
    case 'BeginTurn':
      return writer.beginTurn(runtime, decision.turn)
    case 'GiveUp':
      return writer.giveUp(runtime, decision.gaveUp)
    case 'PermitSwitch':
      return writer.permitSwitch(runtime, profile, decision.turn)
    case 'PermitCommit':
      return writer.permitCommit(runtime, decision.turn)
    case 'PermitRollback':
      return writer.permitRollback(runtime, decision.gaveUp)
    default:
      throw new Error(`decision ${decision.kind} is not about a NodeRuntime`)
  }
}

async function setFinalizer(executor: Executor, profile: RuntimeProfile, isWanted: boolean): Promise<void> {
  const { client, stores } = executor
  const { name } = profile.metadata
  const current = stores.profiles.get(name)
  if (!current) return
  await atVersion(executor.client, { type: RuntimeProfiles, store: stores.profiles, name }, () => {
    const { uid, resourceVersion } = current.metadata
    const others = (current.metadata.finalizers ?? []).filter((other) => other !== finalizer)
    const finalizers = isWanted ? [...others, finalizer] : others
    const patch = { metadata: { uid, resourceVersion, finalizers } }
    return client.patch<RuntimeProfile>(RuntimeProfiles, { name }, patch, { kind: 'merge' })
  })
}
