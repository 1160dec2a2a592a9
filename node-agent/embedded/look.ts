/** What is on this machine, for a person. */
import type { NodeRuntimeStatus } from '../../crds/types.gen.ts'
import { observe } from '../detect/observe.ts'
import { replay } from '../engine/work.ts'
import type { Observed, Refusal } from '../engines/engine.ts'
import { nodeDisk } from '../host/node-disk.ts'
import { systemHost } from '../host/system-host.ts'
import { Store } from '../journal/store.ts'
import { stateFolder } from './embedded.ts'
import { isOwned } from './person.ts'

export interface Seen {
  readonly observed: Observed
  /** Why Drydock would not change this machine. */
  readonly refusal?: Refusal
  /** What Drydock has changed and would restore. */
  readonly files: readonly string[]
  /** The last definite answer. */
  readonly last?: Pick<NodeRuntimeStatus, 'phase' | 'revision' | 'message'>
  /** A change was begun and has not ended. */
  readonly isOpen: boolean
  /** The agent of a cluster has its engine here. */
  readonly isOwned: boolean
}

export async function look(): Promise<Seen> {
  if (process.getuid?.() !== 0) throw new Error('only root sees all of this: run it as root')
  const store = new Store(nodeDisk, stateFolder)
  const [{ observed, refusal }, memory] = await Promise.all([observe(systemHost(), { isEmbedded: true }), store.load()])
  const work = replay(await store.records())
  const { answer, files = {} } = memory ?? {}
  const { phase, revision, message } = answer ?? {}
  return {
    observed,
    ...(refusal && { refusal }),
    files: Object.keys(files),
    ...(phase && { last: { phase, ...(revision && { revision }), ...(message && { message }) } }),
    isOpen: work !== undefined && work.id !== memory?.closed,
    isOwned: await isOwned(nodeDisk),
  }
}
