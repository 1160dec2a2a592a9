/** Asks a node what a change left behind: see `on-node/leaks.ts`. */
import { setTimeout as sleep } from 'node:timers/promises'
import { type Cluster, succeeded } from '../cluster/cluster.ts'
import { installProgram } from '../support/on-node.ts'

/**
 * What pods and engines still remove of their own accord is not left behind: it is looked at again so long. CRI-O keeps what
 * it made for a kubelet that did not wait for the answer for up to two minutes.
 */
const patienceMs = 150_000

/** What is there, as sentences; empty when the node is clean. */
export async function leaksOf(cluster: Cluster, node: string): Promise<readonly string[]> {
  const command = await installProgram(cluster, node, 'test/crash/on-node/leaks.ts')
  const end = Date.now() + patienceMs
  for (;;) {
    const found = JSON.parse(succeeded(command, await cluster.exec(node, command, { timeout: 60_000 }))) as string[]
    if (found.length === 0 || Date.now() > end) return found
    await sleep(1_000)
  }
}
