/** A container engine as it is on a node of the test bed before anybody changes it. */
import type { NodePlan } from '../node-files.ts'

export interface NodeEngine {
  /** The base with its packages is named by it; the containerd of a release is in the base without a further name. */
  readonly base: string
  /** Packages of the node's release. */
  readonly packages: readonly string[]
  /** Programs that no package has and DRYDOCK_TESTBED_BIN must have, with their places on the node. */
  readonly brought: Readonly<Record<string, string>>
  /** What kubeadm is told. */
  readonly criSocket: string
  /** Units of `files` that start at boot. */
  readonly enabled: readonly string[]
  /** Files by their paths, beyond those of the packages. */
  files(plan: NodePlan): Readonly<Record<string, string>>
  /** Ends with 0 when the engine serves. */
  readonly serving: readonly string[]
  /** Imports the image archive that it gets on standard input, for the kubelet to find. */
  importing(archive: string): Promise<readonly string[]>
}
