/** The engine's journal: while it is open, the engine that wrote it must be there to end what it began. */
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Clock } from '../../kube/clock.ts'
import type { Log } from '../../kube/log.ts'
import { hostPath } from './host-path.ts'

const journalFolder = '/var/lib/drydock'
const pollMs = 2_000
const sayEveryMs = 30_000

export interface Wait {
  readonly root: string
  readonly clock: Clock
  readonly log: Log
  readonly timeoutMs: number
}

/** Resolves when no change is under way on the host. Throws after `timeoutMs`: the kubelet then starts the installer again. */
export async function journalClosed({ root, clock, log, timeoutMs }: Wait): Promise<void> {
  const journal = join(await hostPath(root, journalFolder), 'journal')
  const deadline = clock.monotonicMs() + timeoutMs
  for (let saidMs = Number.NEGATIVE_INFINITY; await isOpen(journal); await clock.sleep(pollMs)) {
    const now = clock.monotonicMs()
    if (now >= deadline) {
      throw new Error(
        `a change of this node has been under way for more than ${Math.round(timeoutMs / 1000)} s, and the engine that began it must end it: see its NodeRuntime, or journalctl -u drydock-engine on the node`,
      )
    }
    if (now - saidMs < sayEveryMs) continue
    saidMs = now
    log.info('waiting until the change that is under way on this node has ended', { journal })
  }
}

async function isOpen(journal: string): Promise<boolean> {
  const found = await stat(journal).catch(() => undefined)
  return found !== undefined && found.size > 0
}
