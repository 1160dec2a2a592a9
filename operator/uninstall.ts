/** Takes Drydock off every node and out of the cluster, before the chart goes. */
import { annotations } from '../crds/protocol.ts'
import type { NodeRuntime, RuntimeProfile } from '../crds/types.gen.ts'
import type { KubeClient } from '../kube/client.ts'
import { type Clock, microTime } from '../kube/clock.ts'
import { isConflict, TerminalError } from '../kube/errors.ts'
import type { Lease } from '../kube/lease.ts'
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
    await leaveNodes(tools, fence)
    await leaveCluster(tools)
  } catch (error) {
    await releaseLease(tools, lease)
    throw error
  }
  tools.say('Drydock is off the nodes')
}

async function refuseProfiles({ client }: UninstallTools): Promise<void> {
  const { items } = await client.list<RuntimeProfile>(RuntimeProfiles)
  if (items.length === 0) return
  const names = items.map(({ metadata }) => metadata.name).join(', ')
  throw new TerminalError(
    `RuntimeProfile ${names} still ${items.length === 1 ? 'exists' : 'exist'}: delete it first and wait until it is gone, so that its nodes get their former files back`,
  )
}

/** While we hold the lease no operator acts: it would create again what we delete. */
async function takeLease({ client, clock, namespace, identity, say }: UninstallTools) {
  for (;;) {
    const found = await client.get<Lease>(Leases, { namespace, name: leaseName })
    const fence = (found?.spec?.leaseTransitions ?? 0) + 1
    const now = microTime(clock.now())
    const spec = {
      holderIdentity: identity,
      leaseDurationSeconds: leaseSeconds,
      acquireTime: now,
      renewTime: now,
      leaseTransitions: fence,
    }
    if (!found) {
      const lease = await client.create<Lease>(Leases, { metadata: { namespace, name: leaseName }, spec })
      return { lease, fence }
    }
    const { resourceVersion } = found.metadata
    try {
      const patch = { metadata: { resourceVersion }, spec }
      const lease = await client.patch<Lease>(Leases, { namespace, name: leaseName }, patch, { kind: 'merge' })
      say('the operator is asked to stop')
      await clock.sleep(leaderStopsMs)
      return { lease, fence }
    } catch (error) {
      if (!isConflict(error)) throw error
    }
  }
}

async function releaseLease({ client, namespace }: UninstallTools, { metadata }: Lease): Promise<void> {
  const { name = leaseName, resourceVersion } = metadata
  const patch = { metadata: { resourceVersion }, spec: { holderIdentity: null } }
  await client.patch<Lease>(Leases, { namespace, name }, patch, { kind: 'merge' }).catch(() => {})
}

async function leaveNodes(tools: UninstallTools, fence: number): Promise<void> {
  const { client, clock, say, signal, timeoutSeconds } = tools
  const waiting = await permitAll(tools, fence)
  const endMs = clock.monotonicMs() + timeoutSeconds * 1000
  while (waiting.size > 0) {
    for (const runtime of (await client.list<NodeRuntime>(NodeRuntimes)).items) {
      const { name } = runtime.metadata
      if (isRemoved(runtime) && waiting.delete(name)) say(`${name}: Drydock is off (${waiting.size} to go)`)
    }
    if (waiting.size > 0 && clock.monotonicMs() >= endMs) {
      say(`no answer within ${timeoutSeconds} s, Drydock's files stay on: ${[...waiting].join(', ')}`)
      return
    }
    if (waiting.size > 0) await clock.sleep(lookAgainMs, signal)
    signal.throwIfAborted()
  }
}

/** Gives the names of the nodes that were told to take Drydock off. */
async function permitAll(tools: UninstallTools, fence: number): Promise<Set<string>> {
  const { client, say } = tools
  const writer = new NodeRuntimeWriter({ client, fence, courierTimeoutSeconds: 60 })
  const nodes = new Map((await client.list<NodeObject>(Nodes)).items.map((node) => [node.metadata.name, viewOf(node)]))
  const told = new Set<string>()
  for (const runtime of (await client.list<NodeRuntime>(NodeRuntimes)).items.filter((one) => !isRemoved(one))) {
    const { name } = runtime.metadata
    const why = skipReason(runtime, nodes.get(name))
    if (why) {
      say(`${name} ${why}: skipped, what Drydock has on it stays`)
      continue
    }
    await permitRemove(tools, writer, runtime)
    told.add(name)
  }
  return told
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
