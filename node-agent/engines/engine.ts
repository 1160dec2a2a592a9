/**
 * What Drydock needs to know of a container engine, and no more. An engine is one folder with one object of this type;
 * adding one touches that folder and the list in `engines/index.ts`.
 */
import type { NodeRuntimeSpec, NodeRuntimeStatus } from '../../crds/types.gen.ts'
import type { Host } from '../host/host.ts'
import type { PackageChange } from '../journal/records.ts'

export type Target = NonNullable<NodeRuntimeSpec['target']>
export type HandlerTarget = NonNullable<Target['handlers']>[number]
export type Observed = NonNullable<NodeRuntimeStatus['observed']>
export type Action = NonNullable<NodeRuntimeStatus['action']>
export type CgroupDriver = 'systemd' | 'cgroupfs'
export type EngineName = 'containerd' | 'cri-o' | 'docker'

/** One side of a change: the engine as systemd and the kubelet know it. Part of the journal and of state.json. */
export interface Side {
  /** none: the kubelet's endpoint leads to no engine, and none of Drydock's is installed. */
  readonly name: EngineName | 'none'
  /** Its systemd units in the order of starting: a socket before its service, what serves before what is served. */
  readonly units: readonly string[]
  /** The kubelet's CRI endpoint, with its scheme. */
  readonly endpoint: string
  /** Tells an upgrade in place from a change of settings. */
  readonly version?: string
  /** dockershim: what speaks CRI is part of the kubelet, and rests with it. */
  readonly isInKubelet?: true
}

/** Why an order is refused before anything is touched. `message` names the file and line, and says what to write or do. */
export interface Refusal {
  readonly reason: string
  readonly message: string
}

export function isRefusal(value: object): value is Refusal {
  return 'reason' in value && 'message' in value
}

/** A file as it is on the host; undefined bytes: there is none. */
export interface FileFound {
  readonly path: string
  readonly bytes: Buffer | undefined
}

/** A file that is to be replaced as a whole; undefined bytes: there is none. */
export interface FileEdit {
  readonly path: string
  readonly before: Buffer | undefined
  readonly after: Buffer | undefined
  /** What the file is without Drydock: as it was before the first change, with what others wrote into it since. */
  readonly original: Buffer | undefined
  /** What it was made from where there was none: the configuration that packages bring. */
  readonly start?: Buffer
  /** Permissions of a file that there was none of; absent: 0644. */
  readonly mode?: number
}

/** What Drydock remembers of a file that it has changed: `original`, `after` and `start` of the last edit that was committed. */
export interface Past {
  readonly original: Buffer | undefined
  readonly written: Buffer | undefined
  readonly start?: Buffer
}

export type Pasts = ReadonlyMap<string, Past>

/** An OCI runtime on the host, as its own `--version` names it. */
export interface OciRuntime {
  readonly path: string
  readonly kind: 'runc' | 'crun' | 'other'
  readonly version: string | undefined
}

/** What is known of an engine on a host, beyond what the status shows. */
export interface Found {
  readonly observed: Pick<Observed, 'engine' | 'handlers' | 'sandboxImage'> & { readonly engineDriver?: CgroupDriver }
  /** Every file that the engine reads its configuration from, the main one first, then imports in the order of reading. */
  readonly configFiles: readonly [FileFound, ...FileFound[]]
  /** The runtimes that handlers name, and the first of each kind in the engine's search path. */
  readonly ociRuntimes: readonly OciRuntime[]
  /** Folders in which the engine looks for programs. */
  readonly searchPath: readonly string[]
  /** The engine's own default configuration in its format, where that depends on the program and the host. */
  readonly defaults?: string
  /** Folders with CNI plugins that the host's network names and the engine, without Drydock, does not look into. */
  readonly cniFolders?: readonly string[]
  /** Folders in which the program looks for CNI plugins; undefined when a file of the host says it. */
  readonly cniDefaults?: readonly string[]
  /** With staged programs: the version of the program that runs now, where there is one. */
  readonly replaces?: string
  /** Why nothing can be rendered: the engine's own parser refuses the files as they are. */
  readonly refusal?: Refusal
}

/** Programs of an engine and of its OCI runtimes that lie ready on the host and are not yet the ones that run. */
export interface Staged {
  /** The engine's program as it lies ready: it parses configuration before it is live. Of a package: unpacked into a staging folder. */
  readonly program: string
  readonly version: string
  /** Folders with programs (shims, runc, crun, conmon) that come before the engine's own search path. */
  readonly searchPath: readonly string[]
  /** Unit file or drop-in that makes it the one that runs. Packages bring their own. */
  readonly files: readonly FileEdit[]
  /** Of packages: a folder in which they lie unpacked, as they will lie below `/`. */
  readonly root?: string
  /** CNI plugins that came with it. */
  readonly cniFolder?: string
  /** Installed by a step of the change, from files that lie on the host already. */
  readonly packages?: PackageChange
}

/** Images between stores, as docker archives with their names in them. Argument lists only, never a shell. */
export interface ImageStore {
  /**
   * Why this host cannot: a program is missing. Undefined: it can. Where it cannot, the kubelet pulls. `staged`: what the
   * change brings of this engine.
   */
  cannot(host: Host, staged?: Staged): Promise<string | undefined>
  /** Works while the engine serves. Replaces an archive that is there. */
  export(host: Host, names: readonly string[], archive: string, timeoutMs: number): Promise<void>
  import(host: Host, archive: string, timeoutMs: number): Promise<void>
}

/** Where programs lie in the upstream archive of an engine, and the unit that runs them. Pure. */
export interface Layout {
  /** Path of the engine's program in the unpacked folder, such as bin/containerd. */
  readonly program: string
  /** Folders of programs in the unpacked folder. */
  readonly programFolders: readonly string[]
  readonly unit: string
  /** Text of a whole unit file for a host that has none. */
  unitText(folder: string): string
  /** Text of the drop-in for a host that has the unit already. */
  dropInText(folder: string): string
}

/** An engine that a node may have. Docker is only ever left: it has no more than this. */
export interface SourceEngine {
  readonly name: Side['name']
  /** In the order of starting. */
  readonly units: readonly string[]
  /** Where the kubelet finds it unless told otherwise. */
  readonly endpoint: string
  /**
   * The engine as it is; with `staged`: as it will be with those programs, also when it is not installed yet.
   * Undefined when it is not there.
   */
  detect(host: Host, staged?: Staged): Promise<Found | undefined>
  /** Names of containers that run on it and are not the kubelet's: they stop with it. */
  strangers(host: Host): Promise<readonly string[]>
  readonly images: ImageStore
  /**
   * Removes the kubelet's pods without CRI, where there may be none while the kubelet is stopped (dockershim). Tells how many
   * there were. Absent: CRI is always there.
   */
  removePods?(host: Host, timeoutMs: number): Promise<number>
  /** Takes away what it leaves on the host when it is killed, once it runs no more. Absent: nothing. */
  sweep?(host: Host): Promise<void>
}

/** An engine that Drydock can install, configure and switch to. */
export interface Engine extends SourceEngine {
  readonly name: NonNullable<Target['engine']>['name']
  readonly layout: Layout
  /**
   * Pure: the engine's files with the target in them and everything else kept byte for byte; files that stay as they are
   * are left out. What Drydock wrote before (`pasts`) is taken out first: from the original bytes when nobody touched the
   * file since, else key by key.
   */
  render(found: Found, target: Target, pasts: Pasts): readonly FileEdit[] | Refusal
  /**
   * Asks the engine's own parser about the edited files, and the handlers' programs whether they run, before anything live
   * is touched. Without a target: the files of before Drydock.
   */
  validate(
    host: Host,
    found: Found,
    edits: readonly FileEdit[],
    target: Target | undefined,
  ): Promise<Refusal | undefined>
  /** Pure: what else changes for people and their containers, one sentence each. Absent: nothing that they would not expect. */
  notes?(found: Found): readonly string[]
  /** Pure: the least disruptive action that makes the edits work. */
  action(found: Found, edits: readonly FileEdit[]): Action
}
