/** Watches the API server from outside of the nodes while something happens to them. */
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import type { Cluster } from '../cluster/cluster.ts'
import { type Answers, begun } from './api-watch.ts'

const program = join(import.meta.dirname, 'api-watch.ts')

/** What the API server answered meanwhile. */
export async function watched(cluster: Cluster, node: string, act: () => Promise<unknown>): Promise<Answers> {
  const url = `https://${cluster.addressOf(node)}:6443/readyz`
  const ca = join(cluster.rootOf(node), 'etc/kubernetes/pki/ca.crt')
  const child = cluster.spawn([process.execPath, program, url, ca], { stdio: ['ignore', 'pipe', 'inherit'] })
  if (!child.stdout) throw new Error('the watch has no output')
  const printed = text(child.stdout)
  const started = new Promise((resolve) => child.stdout?.once('data', resolve))
  try {
    await started
    await act()
  } finally {
    child.kill('SIGTERM')
  }
  return JSON.parse((await printed).slice(begun.length)) as Answers
}
