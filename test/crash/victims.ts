/** What is killed in the middle of a change, from outside of the node. */
import { readFileSync } from 'node:fs'
import { basename } from 'node:path'
import type { Cluster } from '../cluster/cluster.ts'

export const victims = ['engine', 'courier', 'kubelet', 'container-engine', 'machine'] as const
export type Victim = (typeof victims)[number]

const containerEngines = ['containerd', 'dockerd', 'cri-dockerd', 'crio']

const isVictim: Readonly<Record<Exclude<Victim, 'machine'>, (argv: readonly string[]) => boolean>> = {
  engine: (argv) => argv.some((word) => word.endsWith('/engine.cjs')),
  courier: (argv) => argv.some((word) => word.endsWith('/courier.cjs')),
  kubelet: ([program = '']) => basename(program) === 'kubelet',
  'container-engine': ([program = '']) => containerEngines.includes(basename(program)),
}

/** Kills it without a word of warning. False when it did not run at that moment. A machine is off afterwards. */
export async function kill(cluster: Cluster, node: string, victim: Victim): Promise<boolean> {
  if (victim === 'machine') {
    await cluster.kill(node)
    return true
  }
  const own = (await cluster.processesOf(node)).filter((pid) => isVictim[victim](argvOf(pid)))
  for (const pid of own) {
    try {
      process.kill(pid, 'SIGKILL')
    } catch {
      // Ended in the meantime.
    }
  }
  return own.length > 0
}

function argvOf(pid: number): readonly string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')
  } catch {
    return []
  }
}
