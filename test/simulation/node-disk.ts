/** A file system that may lose, on a power cut, what was not synced: bytes and names, each for itself. */
import { dirname } from 'node:path'
import type { Attributes, Disk } from '../../node-agent/host/disk.ts'
import { NoSpaceError } from '../../node-agent/host/errors.ts'

interface Inode {
  bytes: Buffer
  /** As of the last sync; undefined: never synced. */
  durable: Buffer | undefined
}

export type Random = () => number

/** A folder and those above it, itself first. */
function withAbove(path: string): string[] {
  return path === '/' ? [path] : [path, ...withAbove(dirname(path))]
}

function missing(path: string): Error {
  return Object.assign(new Error(`ENOENT ${path}`), { code: 'ENOENT' })
}

export class SimulatedDisk implements Disk {
  #names = new Map<string, Inode>()
  #durableNames = new Map<string, Inode>()
  #folders = new Set<string>()
  #durableFolders = new Set<string>()
  /** Called before each operation: it may throw, or never return. */
  readonly #tick: (operation: string) => Promise<void>
  /** Bytes that may still be written. */
  free = Number.POSITIVE_INFINITY

  constructor(tick: (operation: string) => Promise<void>) {
    this.#tick = tick
  }

  /** Without a tick, for the outside of the simulation. */
  peek(path: string): Buffer | undefined {
    return this.#names.get(path)?.bytes
  }

  plant(path: string, text: string): void {
    const inode = { bytes: Buffer.from(text), durable: Buffer.from(text) }
    this.#names.set(path, inode)
    this.#durableNames.set(path, inode)
    this.plantFolder(dirname(path))
  }

  plantFolder(path: string): void {
    for (const folder of withAbove(path)) {
      this.#folders.add(folder)
      this.#durableFolders.add(folder)
    }
  }

  get paths(): readonly string[] {
    return [...this.#names.keys()].sort()
  }

  get folders(): readonly string[] {
    return [...this.#folders].sort()
  }

  powerCut(random: Random): void {
    this.#cutFolders(random)
    for (const path of new Set([...this.#names.keys(), ...this.#durableNames.keys()])) {
      const kept = random() < 0.5 ? this.#names.get(path) : this.#durableNames.get(path)
      if (kept && this.#folders.has(dirname(path))) this.#names.set(path, kept)
      else this.#names.delete(path)
    }
    for (const inode of new Set(this.#names.values())) {
      if (inode.durable?.equals(inode.bytes)) continue
      // What was synced stays when more was added behind it.
      const { length } = inode.durable ?? inode.bytes
      const kept = inode.durable?.equals(inode.bytes.subarray(0, length)) ? length : 0
      const torn = inode.bytes.subarray(0, kept + Math.floor(random() * (inode.bytes.length - kept + 1)))
      // The length may have been written without the bytes.
      const hollow = Buffer.from(inode.bytes)
      hollow.fill(0, kept, kept + Math.floor(random() * (inode.bytes.length - kept + 1)))
      const choices = [inode.bytes, inode.durable ?? Buffer.alloc(0), torn, hollow]
      inode.bytes = choices[Math.floor(random() * choices.length)]!
      inode.durable = inode.bytes
    }
    this.#durableNames = new Map(this.#names)
  }

  async read(path: string): Promise<Buffer | undefined> {
    await this.#tick(`read ${path}`)
    return this.#names.get(path)?.bytes
  }

  async list(path: string): Promise<readonly string[]> {
    await this.#tick(`list ${path}`)
    return this.paths.filter((name) => dirname(name) === path).map((name) => name.slice(path.length + 1))
  }

  async resolve(path: string): Promise<string | undefined> {
    return this.#names.has(path) || this.#folders.has(path) ? path : undefined
  }

  async attributes(path: string): Promise<Attributes | undefined> {
    return this.#names.has(path) ? { mode: 0o644, uid: 0, gid: 0 } : undefined
  }

  async create(path: string, bytes: Buffer): Promise<void> {
    await this.#tick(`create ${path}`)
    if (this.#names.has(path)) throw new Error(`EEXIST ${path}`)
    if (!this.#folders.has(dirname(path))) throw missing(path)
    const inode: Inode = { bytes: Buffer.alloc(0), durable: undefined }
    this.#names.set(path, inode)
    this.#write(path, inode, bytes)
  }

  async append(path: string, bytes: Buffer): Promise<void> {
    await this.#tick(`append ${path}`)
    this.#write(path, this.#inode(path), bytes)
  }

  async truncate(path: string, length: number): Promise<void> {
    await this.#tick(`truncate ${path}`)
    const inode = this.#inode(path)
    this.free += Math.max(0, inode.bytes.length - length)
    inode.bytes = inode.bytes.subarray(0, length)
  }

  async sync(path: string): Promise<void> {
    await this.#tick(`sync ${path}`)
    const inode = this.#names.get(path)
    if (inode) {
      inode.durable = inode.bytes
      return
    }
    if (!this.#folders.has(path)) throw missing(path)
    for (const folder of new Set([...this.#folders, ...this.#durableFolders])) {
      if (dirname(folder) !== path) continue
      if (this.#folders.has(folder)) this.#durableFolders.add(folder)
      else this.#durableFolders.delete(folder)
    }
    for (const name of new Set([...this.#names.keys(), ...this.#durableNames.keys()])) {
      if (dirname(name) !== path) continue
      const now = this.#names.get(name)
      if (now) this.#durableNames.set(name, now)
      else this.#durableNames.delete(name)
    }
  }

  async rename(from: string, to: string): Promise<void> {
    await this.#tick(`rename ${to}`)
    this.free += this.#names.get(to)?.bytes.length ?? 0
    this.#names.set(to, this.#inode(from))
    this.#names.delete(from)
  }

  async unlink(path: string): Promise<void> {
    await this.#tick(`unlink ${path}`)
    this.free += this.#names.get(path)?.bytes.length ?? 0
    this.#names.delete(path)
  }

  async makeFolder(path: string): Promise<void> {
    const made = withAbove(path).filter((folder) => !this.#folders.has(folder))
    if (made.length === 0) return
    await this.#tick(`folder ${path}`)
    for (const folder of made) this.#folders.add(folder)
  }

  async removeFolder(path: string): Promise<void> {
    if (!this.#folders.has(path)) return
    await this.#tick(`remove folder ${path}`)
    const isUsed = [...this.#names.keys(), ...this.#folders].some((each) => dirname(each) === path)
    if (!isUsed) this.#folders.delete(path)
  }

  /** A folder that is lost takes with it what was in it. */
  #cutFolders(random: Random): void {
    const all = [...new Set([...this.#folders, ...this.#durableFolders])].sort()
    const kept = new Set<string>()
    for (const folder of all) {
      const isThere = (random() < 0.5 ? this.#folders : this.#durableFolders).has(folder)
      if (isThere && (folder === '/' || kept.has(dirname(folder)))) kept.add(folder)
    }
    this.#folders = kept
    this.#durableFolders = new Set(kept)
  }

  #inode(path: string): Inode {
    const inode = this.#names.get(path)
    if (!inode) throw new Error(`ENOENT ${path}`)
    return inode
  }

  /** As a kernel does: what fits is written before the error. */
  #write(path: string, inode: Inode, bytes: Buffer): void {
    const fits = bytes.subarray(0, Math.max(0, Math.min(bytes.length, this.free)))
    inode.bytes = Buffer.concat([inode.bytes, fits])
    this.free -= fits.length
    if (fits.length < bytes.length) throw new NoSpaceError(`No space is left to write ${path}.`)
  }
}
