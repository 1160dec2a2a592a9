/** Takes away what the host has of Drydock's work and nobody needs any more. */
import type { Log } from '../../kube/log.ts'
import type { Memory } from '../journal/memory.ts'

export interface Tidying {
  /** To be called when no change is open. */
  readonly tidy: (memory: Memory) => Promise<void>
  readonly log: Log
}

/** What stays takes space and nothing else: that is logged, and the end of the next change tries again. */
export async function tidied({ tidy, log }: Tidying, memory: Memory): Promise<void> {
  await tidy(memory).catch((error) => log.warn('what nobody needs any more could not be removed', { error }))
}
