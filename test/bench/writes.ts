/** What Drydock costs the API server, by the API server's own audit log. */
import { setTimeout as sleep } from 'node:timers/promises'
import { auditMark, summaryOf, writesSince } from '../support/audit.ts'
import type { Row } from './bar.ts'
import type { Bed, State } from './bed.ts'

export const barPerChange = 18
/** After a change Events and the report are still on their way. */
const afterChangeMs = 3_000

/** What is written once a rollout falls on all of its nodes; one node alone bears it all, and is shown beside. */
export async function writesPerChange(bed: Bed): Promise<readonly Row[]> {
  const pool = [...(await changes(bed, 'pool', bed.workers, barPerChange))]
  await bed.kubectl('delete', 'runtimeprofile', 'pool', '--timeout=3m')
  return [...pool, ...(await changes(bed, 'bench', [bed.worker]))]
}

/** The end of the audit log once nothing is written: what an installation or an earlier change has left belongs to that. */
async function quietMark({ cluster }: Bed): Promise<number> {
  for (;;) {
    const mark = auditMark(cluster)
    await sleep(afterChangeMs)
    if ((await writesSince(cluster, mark)).length === 0) return mark
  }
}

async function changes(bed: Bed, profile: string, nodes: readonly string[], bar?: number): Promise<readonly Row[]> {
  const rows: Row[] = []
  for (const state of ['there', 'back'] satisfies State[]) {
    const name = `writes per changed node, ${nodes.length} ${state}`
    const row = await writesRow(bed, { name, nodes: nodes.length }, () => bed.apply(profile, nodes, state))
    rows.push({ ...row, ...(bar !== undefined && { bar }) })
  }
  return rows
}

/** What is written while nodes are changed, for each of them. */
export async function writesRow(
  bed: Bed,
  { name, nodes }: { readonly name: string; readonly nodes: number },
  change: () => Promise<unknown>,
): Promise<Row> {
  const mark = await quietMark(bed)
  await change()
  await sleep(afterChangeMs)
  const writes = await writesSince(bed.cluster, mark)
  bed.log(`${name}: ${writes.length} writes: ${summaryOf(writes)}`)
  if (writes.length === 0) throw new Error('the audit log has no write of Drydock, which has just changed nodes')
  const note = `${writes.length} in a rollout of ${nodes}, evictions and leases aside`
  return { name, ours: writes.length / nodes, unit: '', note }
}

/** The drift check, every ten minutes, falls into longer periods. */
export async function writesWhenIdle(bed: Bed, seconds: number): Promise<readonly Row[]> {
  await bed.migrate('there')
  await bed.settled()
  await sleep(afterChangeMs)
  const mark = auditMark(bed.cluster)
  bed.log(`idle for ${seconds} s`)
  await sleep(seconds * 1000)
  const writes = await writesSince(bed.cluster, mark)
  if (writes.length > 0) bed.log(`${writes.length} writes: ${summaryOf(writes)}`)
  const nodes = bed.cluster.nodes.length
  const ours = (writes.length * 3600) / seconds / nodes
  const note = `${writes.length} writes in ${seconds} s, ${nodes} nodes`
  return [{ name: 'writes per converged node and hour', ours, unit: '', bar: 0, note }]
}
