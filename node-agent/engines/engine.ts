/**
 * What Drydock needs to know of a container engine, and no more. An engine is one folder with one object of this type;
 * adding one touches that folder and the list in `engines/index.ts`.
 */
import type { NodeRuntimeSpec, NodeRuntimeStatus } from '../../crds/types.gen.ts'
import type { Host } from '../host/host.ts'

export type Target = NonNullable<NodeRuntimeSpec['target']>
export type Observed = NonNullable<NodeRuntimeStatus['observed']>
export type Action = NonNullable<NodeRuntimeStatus['action']>
export type CgroupDriver = 'systemd' | 'cgroupfs'

/** Why an order is refused before anything is touched. `message` names the file and line, and says what to write or do. */
export interface Refusal {
  readonly reason: string
  readonly message: string
}

/** A file that is to be replaced as a whole; undefined bytes: there is none. */
export interface FileEdit {
  readonly path: string
  readonly before: Buffer | undefined
  readonly after: Buffer | undefined
}

/** What is known of an engine on a host, beyond what the status shows. */
export interface Found {
  readonly observed: Observed
  /** Every file that the engine reads its configuration from, the main one first. */
  readonly configFiles: readonly { readonly path: string; readonly bytes: Buffer | undefined }[]
}

export interface Engine {
  readonly name: NonNullable<Target['engine']>['name']
  readonly unit: string
  /** Undefined when the engine is not on the host. */
  detect(host: Host): Promise<Found | undefined>
  /**
   * Pure: the engine's files with the target in them and everything else kept byte for byte. `former` is the target
   * that Drydock wrote last: its handlers go when the new target does not name them.
   */
  render(found: Found, target: Target, former: Target | undefined): readonly FileEdit[] | Refusal
  /** Asks the engine's own parser about the rendered files, before anything live is touched. */
  validate(host: Host, found: Found, edits: readonly FileEdit[], target: Target): Promise<Refusal | undefined>
  /** Pure: the least disruptive action from what is found to what is wanted. */
  action(found: Found, edits: readonly FileEdit[], target: Target): Action
}
