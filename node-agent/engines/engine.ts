/**
 * What Drydock needs to know of a container engine, and no more. An engine is one folder with one object of this type;
 * adding one touches that folder and the list in `engines/index.ts`.
 */
import type { NodeRuntimeSpec, NodeRuntimeStatus } from '../../crds/types.gen.ts'
import type { Host } from '../host/host.ts'

export type Target = NonNullable<NodeRuntimeSpec['target']>
export type HandlerTarget = NonNullable<Target['handlers']>[number]
export type Observed = NonNullable<NodeRuntimeStatus['observed']>
export type Action = NonNullable<NodeRuntimeStatus['action']>
export type CgroupDriver = 'systemd' | 'cgroupfs'

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
}

/** What Drydock remembers of a file that it has changed: `original` and `after` of the last edit that was committed. */
export interface Past {
  readonly original: Buffer | undefined
  readonly written: Buffer | undefined
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
  /** Why nothing can be rendered: the engine's own parser refuses the files as they are. */
  readonly refusal?: Refusal
}

export interface Engine {
  readonly name: NonNullable<Target['engine']>['name']
  /** Its systemd unit. */
  readonly unit: string
  /** Undefined when the engine is not on the host. */
  detect(host: Host): Promise<Found | undefined>
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
  /** Pure: the least disruptive action that makes the edits work. */
  action(found: Found, edits: readonly FileEdit[]): Action
}
