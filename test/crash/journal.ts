/** The journal of a node, seen from outside: nothing on the node knows that it is watched. */
import { existsSync, mkdirSync, readFileSync, watch } from 'node:fs'
import { join } from 'node:path'
import { decodeLines } from '../../node-agent/journal/lines.ts'
import type { Cluster } from '../cluster/cluster.ts'

export class JournalWatch {
  /** The names of the records that were seen last, in their order: the journal goes when its change ends. */
  seen: readonly string[] = []
  readonly #file: string
  readonly #stop: () => void
  #asked: { records: number; reached: () => void } | undefined

  constructor(cluster: Cluster, node: string) {
    const folder = join(cluster.rootOf(node), 'var/lib/drydock')
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    this.#file = join(folder, 'journal')
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
    const names = existsSync(this.#file) ? namesOf(this.#file) : []
    if (names.length === 0) return
    this.seen = names
    if (this.#asked && names.length >= this.#asked.records) this.#asked.reached()
  }
}

interface Named {
  type: string
  name?: string
}

function namesOf(file: string): readonly string[] {
  try {
    const { records } = decodeLines(readFileSync(file))
    return (records as Named[]).map(({ type, name }) => name ?? type)
  } catch {
    // It has gone meanwhile.
    return []
  }
}
