/** Takes Drydock off every node and out of the cluster, before the chart goes. */
import { annotations } from '../crds/protocol.ts'
import type { NodeRuntime, RuntimeProfile } from '../crds/types.gen.ts'
import type { KubeClient } from '../kube/client.ts'
import { type Clock, microTime } from '../kube/clock.ts'
import { isAlreadyExists, isConflict, TerminalError } from '../kube/errors.ts'
import { firstEpoch, type Lease } from '../kube/lease.ts'
import { DaemonSets, type KubeObject, Leases, Nodes, RuntimeClasses } from '../kube/resource.ts'
import { isStartupTaint, type NodeObject, viewOf } from './controllers/node/view.ts'
import { giveBack } from './controllers/node/write.ts'
import { NodeRuntimeWriter } from './controllers/noderuntime/write.ts'
import { isOurs } from './controllers/runtimeclass/plan.ts'
import { agentName, leaseName, NodeRuntimes, RuntimeProfiles } from './resources.ts'
import { isHandlerLabel } from './rollout/handlers.ts'
import type { NodeView } from './rollout/types.ts'

export interface UninstallTools {
  readonly client: KubeClient
  readonly clock: Clock
  readonly namespace: string
  readonly identity: string
  readonly timeoutSeconds: number
  readonly signal: AbortSignal
  /** One line of progress for people. */
  readonly say: (line: string) => void
}

/** Longer than an uninstall may take; the chart's deployment is gone by then. */
const leaseSeconds = 900
/** A leader looks at its lease every two seconds, and stops when it is not its own any more. */
const leaderStopsMs = 4_000
const lookAgainMs = 1_000

/**
 * Refuses with a TerminalError while there is a RuntimeProfile. Nodes that are gone or not Ready are named and
 * skipped, nodes that do not answer in time are named and keep Drydock's files.
 */
export async function uninstall(tools: UninstallTools): Promise<void> {
  await refuseProfiles(tools)
  const { lease, fence } = await takeLease(tools)
  try {
    await refuseProfiles(tools)
    const kept = await leaveNodes(tools, fence)
    await leaveCluster(tools)
    tools.say(kept.length === 0 ? 'Drydock is off the nodes' : stays(kept))
  } catch (error) {
    await releaseLease(tools, lease)
    throw error
  }
}

const stays = (nodes: readonly string[]): string =>
  `Drydock has left the cluster, but not the nodes ${nodes.join(', ')}: its files and what it changed stay there`

async function refuseProfiles({ client }: UninstallTools): Promise<void> {
  const { items } = await client.list<RuntimeProfile>(RuntimeProfiles)
  if (items.length === 0) return
  const names = items.map(({ metadata }) => metadata.name).join(', ')
  throw new TerminalError(
    `RuntimeProfile ${names} still ${items.length === 1 ? 'exists' : 'exist'}: delete it first and wait until it is gone, so that its nodes get their former files back`,
  )
}

/** While we hold the lease no operator acts: it would create again what we delete. */
async function takeLease(tools: UninstallTools): Promise<{ lease: Lease; fence: number }> {
  const { client, clock, namespace, identity, say } = tools
  for (;;) {
    const found = await client.get<Lease>(Leases, { namespace, name: leaseName })
    const fence = found ? (found.spec?.leaseTransitions ?? 0) + 1 : firstEpoch(clock.now())
    const now = microTime(clock.now())
    const spec = {
      holderIdentity: identity,
      leaseDurationSeconds: leaseSeconds,
      acquireTime: now,
      renewTime: now,
      leaseTransitions: fence,
    }
    try {
      const lease = await writeLease(tools, found, spec)
      say('the operator is asked to stop')
      await clock.sleep(leaderStopsMs)
      return { lease, fence }
    } catch (error) {
      if (!isConflict(error) && !isAlreadyExists(error)) throw error
    }
  }
}

function writeLease({ client, namespace }: UninstallTools, found: Lease | undefined, spec: object): Promise<Lease> {
  const ref = { namespace, name: leaseName }
  if (!found) return client.create<Lease>(Leases, { metadata: ref, spec })
  const { resourceVersion } = found.metadata
  return client.patch<Lease>(Leases, ref, { metadata: { resourceVersion }, spec }, { kind: 'merge' })
}

async function releaseLease({ client, namespace }: UninstallTools, { metadata }: Lease): Promise<void> {
  const { name = leaseName, resourceVersion } = metadata
  const patch = { metadata: { resourceVersion }, spec: { holderIdentity: null } }
  await client.patch<Lease>(Leases, { namespace, name }, patch, { kind: 'merge' }).catch(() => {})
}

/** Gives the names of the nodes that keep what Drydock has on them. */
async function leaveNodes(tools: UninstallTools, fence: number): Promise<readonly string[]> {
  const { client, clock, say, signal, timeoutSeconds } = tools
  const { waiting, skipped } = await permitAll(tools, fence)
  const endMs = clock.monotonicMs() + timeoutSeconds * 1000
  while (waiting.size > 0) {
    for (const runtime of (await client.list<NodeRuntime>(NodeRuntimes)).items) {
      const { name } = runtime.metadata
      if (isRemoved(runtime) && waiting.delete(name)) say(`${name}: Drydock is off (${waiting.size} to go)`)
    }
    if (waiting.size > 0 && clock.monotonicMs() >= endMs) {
      for (const name of waiting) say(`${name} gave no answer within ${timeoutSeconds} s`)
      return [...skipped, ...waiting]
    }
    if (waiting.size > 0) await clock.sleep(lookAgainMs, signal)
    signal.throwIfAborted()
  }
  return skipped
}

/** Names of the nodes that were told to take Drydock off, and of those that cannot be told. */
async function permitAll(tools: UninstallTools, fence: number) {
  const { client, say } = tools
  const writer = new NodeRuntimeWriter({ client, fence, courierTimeoutSeconds: 60 })
  const nodes = new Map((await client.list<NodeObject>(Nodes)).items.map((node) => [node.metadata.name, viewOf(node)]))
  const waiting = new Set<string>()
  const skipped: string[] = []
  for (const runtime of (await client.list<NodeRuntime>(NodeRuntimes)).items.filter((one) => !isRemoved(one))) {
    const { name } = runtime.metadata
    const why = skipReason(runtime, nodes.get(name))
    if (why) {
      say(`${name} ${why}: skipped, what Drydock has on it stays`)
      skipped.push(name)
      continue
    }
    await permitRemove(tools, writer, runtime)
    waiting.add(name)
  }
  return { waiting, skipped }
}

function skipReason({ status }: NodeRuntime, node: NodeView | undefined): string | undefined {
  if (!node) return 'is gone'
  if (!node.ready) return 'is not Ready'
  return status?.phase ? undefined : 'never had an agent'
}

const isRemoved = ({ status }: NodeRuntime): boolean => status?.phase === 'Removed'

async function permitRemove({ client }: UninstallTools, writer: NodeRuntimeWriter, runtime: NodeRuntime) {
  for (let current: NodeRuntime | undefined = runtime; current; ) {
    try {
      await writer.permitRemove(current)
      return
    } catch (error) {
      if (!isConflict(error)) throw error
      current = await client.get<NodeRuntime>(NodeRuntimes, { name: runtime.metadata.name })
    }
  }
}

async function leaveCluster({ client, namespace, say }: UninstallTools): Promise<void> {
  if (await client.delete(DaemonSets, { namespace, name: agentName }, { propagation: 'Background' })) {
    say(`deleted DaemonSet ${namespace}/${agentName}`)
  }
  for (const { metadata } of (await client.list<KubeObject>(RuntimeClasses)).items.filter(isOurs)) {
    await client.delete(RuntimeClasses, { name: metadata.name ?? '' })
    say(`deleted RuntimeClass ${metadata.name}`)
  }
  for (const { metadata } of (await client.list<NodeRuntime>(NodeRuntimes)).items) {
    await client.delete(NodeRuntimes, { name: metadata.name })
  }
  for (const node of (await client.list<NodeObject>(Nodes)).items) await clean(client, node)
}

/** A node that we cordoned and that has no order any more has nobody else to give it back. */
async function clean(client: KubeClient, node: NodeObject): Promise<void> {
  for (let current: NodeObject | undefined = node; current && isMarked(current); ) {
    try {
      await giveBack(client, current, { handlers: [], admits: true })
      return
    } catch (error) {
      if (!isConflict(error)) throw error
      current = await client.get<NodeObject>(Nodes, { name: node.metadata.name ?? '' })
    }
  }
}

const isMarked = ({ metadata, spec }: NodeObject): boolean =>
  spec?.taints?.some(isStartupTaint) ||
  metadata.annotations?.[annotations.cordonedBy] !== undefined ||
  Object.keys(metadata.labels ?? {}).some(isHandlerLabel)
