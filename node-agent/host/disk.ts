/** The few calls of a file system that durability is made of. A simulation of power cuts stands behind the same interface. */

export interface Attributes {
  readonly mode: number
  readonly uid: number
  readonly gid: number
}

export interface Disk {
  /** Bytes of a file; undefined when there is none, or a folder in its place. */
  read(path: string): Promise<Buffer | undefined>
  /** Names in a folder, sorted; empty when there is none. */
  list(path: string): Promise<readonly string[]>
  /** The path without symbolic links; undefined when it leads nowhere. */
  resolve(path: string): Promise<string | undefined>
  /** Undefined when there is no such file, or a symbolic link in its place. */
  attributes(path: string): Promise<Attributes | undefined>
  /** A new file, never through a symbolic link. It survives a power cut only after `sync` of it and of its folder. */
  create(path: string, bytes: Buffer, attributes: Attributes | undefined): Promise<void>
  /** Adds to the end of a file that exists. */
  append(path: string, bytes: Buffer): Promise<void>
  truncate(path: string, length: number): Promise<void>
  /** fsync of a file or a folder. */
  sync(path: string): Promise<void>
  rename(from: string, to: string): Promise<void>
  /** Nothing happens when there is no such file. */
  unlink(path: string): Promise<void>
  /** Makes a folder, and those above it, when missing. Each survives a power cut only after `sync` of the one above it. */
  makeFolder(path: string, mode: number): Promise<void>
  /** Removes an empty folder. Nothing happens when there is none, when something is in it, or when it is something else. */
  removeFolder(path: string): Promise<void>
}
