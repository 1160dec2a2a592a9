/** The journal of a node, seen from outside: nothing on the node knows that it is watched. */
import { mkdirSync, readFileSync, watch } from 'node:fs'
import { join } from 'node:path'
import { decodeLines } from '../../node-agent/journal/lines.ts'
import type { Cluster } from '../cluster/cluster.ts'

export class JournalWatch {
  /** The names of the records that were seen last, in their order: the journal goes when its change ends. */
  seen: readonly string[] = []
  readonly #file: string
  readonly #stop: () => void
  /** The change before: its journal may lie there for a moment more, or until the engine starts again after a crash. */
  readonly #former: string | undefined
  #asked: { records: number; reached: () => void } | undefined

  constructor(cluster: Cluster, node: string) {
    const folder = join(cluster.rootOf(node), 'var/lib/drydock')
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    this.#file = join(folder, 'journal')
    this.#former = read(this.#file).id
    const watcher = watch(folder, (_, name) => {
      if (name === 'journal') this.#look()
    })
    this.#stop = () => watcher.close()
  }

  /** Resolves as soon as the journal has that many records. */
  reaches(records: number): Promise<void> {
    return new Promise((resolve) => {
      this.#asked = { records, reached: resolve }
      this.#look()
    })
  }

  close(): void {
    this.#stop()
  }

  #look(): void {
    const { id, names } = read(this.#file)
    if (id === undefined || id === this.#former) return
    this.seen = names
    if (this.#asked && names.length >= this.#asked.records) this.#asked.reached()
  }
}

interface Seen {
  /** Of the change; undefined when there is none. */
  readonly id?: string
  readonly names: readonly string[]
}

function read(file: string): Seen {
  try {
    const records = decodeLines(readFileSync(file)).records as { type: string; name?: string; id?: string }[]
    const id = records[0]?.id
    return { ...(id !== undefined && { id }), names: records.map(({ type, name }) => name ?? type) }
  } catch {
    // There is none, or it has gone meanwhile.
    return { names: [] }
  }
}
