/**
 * The engine's folder: `journal` (the open change), `state.json` (what outlives it), `backup/` (bytes of files), and
 * `reserve` (space that is given up so that a full disk cannot stop an undoing).
 */
import { join } from 'node:path'
import type { Disk } from '../host/disk.ts'
import { makeDurable, removeFile, replaceFile } from '../host/durable.ts'
import { NoSpaceError } from '../host/errors.ts'
import { Blobs } from './blobs.ts'
import { decodeLines, encodeLine } from './lines.ts'
import type { Memory } from './memory.ts'
import type { BlobName, JournalRecord } from './records.ts'

const secret = { mode: 0o600, uid: 0, gid: 0 }

/** More than the records of one change and the state take. */
const reserveBytes = 256 * 1024

export class Store {
  readonly folder: string
  readonly blobs: Blobs
  readonly #disk: Disk
  /** Bytes of the journal's whole records. */
  #length = 0

  constructor(disk: Disk, folder: string) {
    this.folder = folder
    this.blobs = new Blobs(disk, join(folder, 'backup'))
    this.#disk = disk
  }

  #path(name: string): string {
    return join(this.folder, name)
  }

  async makeFolder(): Promise<void> {
    await this.#disk.makeFolder(this.folder, 0o700)
    await this.#disk.makeFolder(this.#path('backup'), 0o700)
  }

  /** The whole records of the open journal; none when no journal is open. */
  async records(): Promise<readonly JournalRecord[]> {
    const bytes = await this.#disk.read(this.#path('journal'))
    if (!bytes) return []
    await makeDurable(this.#disk, this.#path('journal'))
    const { records, length } = decodeLines(bytes)
    this.#length = length
    return records as readonly JournalRecord[]
  }

  /** Opens the journal with its first record. */
  async open(record: JournalRecord): Promise<void> {
    for (const folder of [this.folder, this.blobs.folder]) await makeDurable(this.#disk, folder)
    await replaceFile(this.#disk, this.#path('reserve'), Buffer.alloc(reserveBytes, 1), secret)
    const line = encodeLine(record)
    try {
      await replaceFile(this.#disk, this.#path('journal'), line, secret)
    } catch (error) {
      // It may be there, though not for certain: a change that was refused must not begin after a crash.
      await removeFile(this.#disk, this.#path('journal'))
      throw error
    }
    this.#length = line.length
  }

  /** The record is durable when this returns. */
  async append(record: JournalRecord): Promise<void> {
    const line = encodeLine(record)
    const path = this.#path('journal')
    const write = async (): Promise<void> => {
      // A torn tail, of a power cut or of a disk that was full, would hide every record after it.
      await this.#disk.truncate(path, this.#length)
      await this.#disk.append(path, line)
      await this.#disk.sync(path)
    }
    // A change that cannot go on for lack of space is undone: what is in reserve is for that.
    await (record.type === 'step' || record.type === 'proven' ? write() : this.withReserve(write))
    this.#length += line.length
  }

  /** Tries once more with the reserved space when the disk is full. */
  async withReserve(act: () => Promise<void>): Promise<void> {
    try {
      await act()
    } catch (error) {
      if (!(error instanceof NoSpaceError)) throw error
      await removeFile(this.#disk, this.#path('reserve'))
      await act()
    }
  }

  /** Undefined on a node that Drydock has never changed. */
  async load(): Promise<Memory | undefined> {
    const bytes = await this.#disk.read(this.#path('state.json'))
    if (bytes) await makeDurable(this.#disk, this.#path('state.json'))
    try {
      return bytes && (JSON.parse(bytes.toString('utf8')) as Memory)
    } catch (cause) {
      const path = this.#path('state.json')
      throw new Error(`${path} cannot be read. It knows the original files in ${this.blobs.folder}: repair it.`, {
        cause,
      })
    }
  }

  save(memory: Memory): Promise<void> {
    return this.withReserve(() => this.saveWithoutReserve(memory))
  }

  /** What can be done without leaves the reserve to the undoing. */
  async saveWithoutReserve(memory: Memory): Promise<void> {
    const bytes = Buffer.from(`${JSON.stringify(memory, undefined, 2)}\n`)
    await replaceFile(this.#disk, this.#path('state.json'), bytes, secret)
  }

  /** Closes the journal. The memory that names it as closed must have been saved: from then on it is void. */
  async close(memory: Memory): Promise<void> {
    await removeFile(this.#disk, this.#path('journal'))
    await this.#disk.unlink(this.#path('reserve'))
    const kept = new Set<BlobName>(
      Object.values(memory.files).flatMap(({ original, written, start = null }) => [original, written, start]),
    )
    await this.blobs.keepOnly(kept)
  }
}
