/** The host as the node engine sees it: everything that it reads, changes or runs goes through here. */

export interface Ran {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** What systemd says of a unit (`systemctl show`). */
export interface UnitState {
  readonly loadState: string
  readonly activeState: string
  readonly subState: string
  /** Changes with every start: the proof that a restart took place. */
  readonly invocationId: string
  readonly mainPid: number
  /** Absolute path of the program of ExecStart. */
  readonly execStart: string
  /** Whether it starts at boot, as `systemctl is-enabled` prints it; empty: there is no such unit. */
  readonly enabled: string
  /** The unit file, then its drop-ins, in the order that systemd reads them. */
  readonly files: readonly string[]
}

export interface Host {
  /** Bytes of a file; undefined when there is none, or a folder in its place. */
  readFile(path: string): Promise<Buffer | undefined>
  /** Names in a folder, sorted; empty when there is none. */
  listFolder(path: string): Promise<readonly string[]>
  /** Resolves symbolic links; undefined when the path leads nowhere. */
  realPath(path: string): Promise<string | undefined>
  isExecutable(path: string): Promise<boolean>
  /** False for a file or folder that is immutable (`chattr +i`) or on a read-only file system. Opens nothing: systemd tells path units of that. */
  isWritable(path: string): Promise<boolean>
  /** Permissions of a file, behind a link too, as chmod takes them; undefined when there is none. */
  mode(path: string): Promise<number | undefined>
  /** Bytes that may still be written below a folder. */
  freeBytes(path: string): Promise<number>
  /** Replaces a file as a whole: temporary file beside it, fsync, rename, fsync of the folder. Keeps mode and owner of what was there; a new file is root's, with `mode` or 0644. */
  replaceFile(path: string, bytes: Buffer, mode?: number): Promise<void>
  removeFile(path: string): Promise<void>
  /** Removes a folder that nothing is in. One that something is in stays, and survives a power cut from now on. */
  removeFolder(path: string): Promise<void>
  /** Makes a file, or its absence, as it is now survive a power cut: a crash may have come before the fsync. */
  makeDurable(path: string): Promise<void>
  /** Removes what a crash left of a replacement of this file. */
  discardUnfinished(path: string): Promise<void>
  /** Runs a program with an argument list, never through a shell. A program that cannot be started or runs too long throws. */
  run(argv: readonly string[], options: { timeoutMs: number; input?: string }): Promise<Ran>
  unit(name: string): Promise<UnitState>
  startUnit(name: string, timeoutMs: number): Promise<void>
  stopUnit(name: string): Promise<void>
  /** Whether units start at boot. Durable when it returns, with what was done before: a crash may have come before the fsync. */
  setEnabled(names: readonly string[], enabled: boolean): Promise<void>
  /** Has systemd read its unit files again. */
  daemonReload(): Promise<void>
}
