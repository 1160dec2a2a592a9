import type { NodeRuntime, RuntimeProfile } from '../../../crds/types.gen.ts'
import { isTaken } from '../../rollout/availability.ts'
import { intentOf } from '../../rollout/conflict.ts'
import type { DrainProgress, Look, Member, NodeView, RolloutState } from '../../rollout/types.ts'
import type { Opening } from '../../rollout/window.ts'
import { type ReportObject, reportViewOf } from '../migrationreport/view.ts'
import type { NodeObject } from '../node/view.ts'
import type { Store } from '../store.ts'

export interface Stores {
  readonly profiles: Store<RuntimeProfile>
  readonly nodes: Store<NodeObject>
  readonly runtimes: Store<NodeRuntime>
  readonly reports: Store<ReportObject>
}

/** What only this process knows. */
export interface Memory {
  readonly view: (node: NodeObject) => NodeView
  readonly drain: (node: string) => DrainProgress | undefined
  readonly drainSince: (node: string) => Date | undefined
  readonly gateMilliseconds: (runtime: NodeRuntime) => number
  readonly window: (profile: RuntimeProfile) => Opening | undefined
  readonly gates: (profile: RuntimeProfile) => Look | undefined
  readonly evictions: (node: string) => Look | undefined
}

/** All that the plan of one profile depends on, at one moment. */
export function gather(profile: RuntimeProfile, stores: Stores, memory: Memory): RolloutState {
  const profiles = stores.profiles.list()
  const members: Member[] = []
  const evictions = new Map<string, Look>()
  const busyControlPlane: string[] = []
  for (const object of stores.nodes.list()) {
    const node = memory.view(object)
    const runtime = stores.runtimes.get(node.name)
    if (node.controlPlane && (!node.ready || isTaken({ node, runtime }))) busyControlPlane.push(node.name)
    const intent = intentOf(profile, profiles, node, runtime)
    if (!intent) continue
    const gateMilliseconds = runtime ? memory.gateMilliseconds(runtime) : 0
    const look = memory.evictions(node.name)
    if (look) evictions.set(node.name, look)
    const drain = memory.drain(node.name)
    members.push({ node, runtime, intent, drain, drainSince: memory.drainSince(node.name), gateMilliseconds })
  }
  const { name, uid } = profile.metadata
  const named = stores.reports.list().filter(({ spec }) => spec.profile === name)
  const { own = [], former = [] } = Object.groupBy(named, ({ spec }) =>
    (spec.profileUID ?? uid) === uid ? 'own' : 'former',
  )
  const reports = own.toSorted((a, b) => compare(a.metadata.creationTimestamp, b.metadata.creationTimestamp))
  return {
    profile,
    members,
    window: memory.window(profile),
    looks: { gates: memory.gates(profile), evictions },
    busyControlPlane: busyControlPlane.sort(),
    reports: reports.map(reportViewOf),
    formerReports: former.map(({ metadata }) => metadata.name),
  }
}

const compare = (a = '', b = ''): number => (a < b ? -1 : a > b ? 1 : 0)
