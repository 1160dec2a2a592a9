/** A package manager, as far as an engine needs one: look and download in Prepare, install from local files in the switch. */
import type { Host } from '../../host/host.ts'
import type { PackageChange } from '../../journal/records.ts'

export interface Package {
  readonly name: string
  /** As the package manager spells it. */
  readonly version: string
}

/** What installing some packages takes, as the package manager itself works it out. */
export interface Resolution {
  /** With what they depend on. */
  readonly install: readonly Package[]
  /** Names of what cannot stay beside them. */
  readonly remove: readonly string[]
}

export interface PackageManager {
  readonly name: PackageChange['manager']
  /** Why packages cannot be changed on this host, and what to do: an earlier installation was cut off. */
  blocked(host: Host): Promise<string | undefined>
  /** Fetches the lists of what is to be had. A mirror that is dead is told later, when something is missing. */
  refresh(host: Host): Promise<void>
  installed(host: Host, name: string): Promise<string | undefined>
  /** Versions that are to be had: the package manager's own choice first, then from the newest to the oldest. */
  available(host: Host, name: string): Promise<readonly string[]>
  /** Changes nothing. Throws Refused when it cannot be done. */
  resolve(host: Host, wanted: readonly Package[]): Promise<Resolution>
  /** Endings of what it leaves beside a configuration file that was edited. */
  readonly leftovers: readonly string[]
  /** Where the package manager keeps what it has downloaded. */
  readonly cache: string
  /** The whole file of one package in a folder; undefined when there is none. */
  find(host: Host, wanted: Package, folder: string): Promise<string | undefined>
  /** Fetches the file of one package into a folder. What is not to be had is not there afterwards. */
  download(host: Host, wanted: Package, folder: string): Promise<void>
  /** Those of the names that are not to change by themselves. */
  held(host: Host, names: readonly string[]): Promise<readonly string[]>
  /** Unpacks a package's file below a folder, and runs nothing of it. */
  unpack(host: Host, archive: string, folder: string): Promise<void>
  /** Paths of the configuration files that a package's file brings. */
  configFiles(host: Host, archive: string): Promise<readonly string[]>
  /**
   * Makes the packages so in one go: no network, no service is started or restarted, edited configuration files stay. Can
   * be repeated after it was cut off at any point.
   */
  carryOut(host: Host, act: PackageAct): Promise<void>
}

/** One direction of a change. */
export interface PackageAct {
  readonly install: PackageChange['install']
  readonly remove: readonly string[]
  readonly held: readonly string[]
  /** Configuration files that may go with what is removed. */
  readonly brought: readonly string[]
}

/** What a program printed, or an error that says what it did not do. */
export async function output(host: Host, argv: readonly string[], timeoutMs: number): Promise<string> {
  const { code, stdout, stderr } = await host.run(argv, { timeoutMs })
  if (code === 0) return stdout
  throw new Error(`${argv.join(' ')} failed: ${said(stderr || stdout)}`)
}

/** The end of what a program says, in one line: the error comes last. */
export function said(text: string): string {
  return text.trim().replaceAll(/\s+/g, ' ').slice(-500)
}
