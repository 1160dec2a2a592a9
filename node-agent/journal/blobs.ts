/** Bytes of files, kept by their SHA-256: what was there before the first change, and what will be there after it. */
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import type { Disk } from '../host/disk.ts'
import { makeDurable, replaceFile } from '../host/durable.ts'
import type { BlobName } from './records.ts'

const secret = { mode: 0o600, uid: 0, gid: 0 }

export function blobName(bytes: Buffer | undefined): BlobName {
  return bytes ? createHash('sha256').update(bytes).digest('hex') : null
}

export class Blobs {
  readonly #disk: Disk
  readonly folder: string

  constructor(disk: Disk, folder: string) {
    this.#disk = disk
    this.folder = folder
  }

  /** Durable when it returns: what names the blob may be written now. */
  async put(bytes: Buffer | undefined): Promise<BlobName> {
    const name = blobName(bytes)
    if (name === null || bytes === undefined) return null
    const path = join(this.folder, name)
    // Bytes that a power cut spoiled are written again: the name alone proves nothing.
    const isThere = blobName(await this.#disk.read(path)) === name
    await (isThere ? makeDurable(this.#disk, path) : replaceFile(this.#disk, path, bytes, secret))
    return name
  }

  async get(name: BlobName): Promise<Buffer | undefined> {
    if (name === null) return undefined
    const bytes = await this.#disk.read(join(this.folder, name))
    if (bytes && blobName(bytes) === name) return bytes
    throw new Error(
      `The backup ${join(this.folder, name)} is ${bytes ? 'spoiled' : 'missing'}: restore the file by hand.`,
    )
  }

  /** Forgets all blobs but these. */
  async keepOnly(names: ReadonlySet<BlobName>): Promise<void> {
    for (const name of await this.#disk.list(this.folder)) {
      if (!names.has(name)) await this.#disk.unlink(join(this.folder, name))
    }
  }
}
