/** What a demo shows: which nodes, which profile, and what must be true of each worker at the end. */
import type { Cluster, NodeSpec } from '../cluster/cluster.ts'
import type { Claim } from './checks.ts'

export interface Show {
  readonly heading: string
  /** In the words of what is applied. */
  readonly change: string
  readonly workers: readonly Omit<NodeSpec, 'controlPlane'>[]
  readonly controlPlane: NodeSpec['kind']
  /** Whether nodes get engines from this computer. */
  readonly offers: boolean
  /** The spec of the profile, but for the nodes that it selects. */
  spec(cluster: Cluster): Promise<Readonly<Record<string, unknown>>>
  /** What is of interest on each node while it happens: a field of its NodeRuntime. */
  readonly watched: { readonly title: string; readonly field: string }
  claims(cluster: Cluster, node: string): Promise<readonly Claim[]>
  /** What could not be shown on this computer, and what to do about it. */
  readonly notShown?: string
}
