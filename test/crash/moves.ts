/** The exchanges of an engine that are cut off at every point. */
import type { RuntimeProfileSpec } from '../../crds/types.gen.ts'
import type { NodeSpec } from '../cluster/cluster.ts'
import { crioBundle, engineOnly, toContainerd, toCrio } from '../moves/table.ts'
import type { Bed } from '../nodes/migration/bed.ts'

export interface CrashMove {
  readonly name: string
  /** The crashes are shared out among them: a round with Docker takes three times as long as the others. */
  readonly nodes: readonly string[]
  readonly kind: NodeSpec['kind']
  readonly packages: readonly string[]
  /** Of DRYDOCK_TESTBED_BIN. */
  readonly needs: readonly string[]
  /** What the Node says that it runs. */
  readonly from: RegExp
  readonly to: RegExp
  readonly spec: (bed: Bed) => Promise<Partial<RuntimeProfileSpec>>
}

export const moves: readonly CrashMove[] = [
  {
    name: 'containerd-containerd2',
    nodes: ['upgraded'],
    kind: 'debian13',
    packages: [],
    needs: [],
    from: /^containerd:\/\/1\.7/,
    to: /^containerd:\/\/2\.3/,
    spec: engineOnly,
  },
  {
    name: 'docker-containerd',
    nodes: ['docker-1', 'docker-2', 'docker-3'],
    kind: 'debian13-docker',
    packages: [],
    needs: ['cri-dockerd'],
    from: /^docker:\/\//,
    to: /^containerd:\/\/2\.3/,
    spec: toContainerd,
  },
  {
    name: 'containerd-crio',
    nodes: ['switched'],
    kind: 'debian13',
    // It carries images into CRI-O.
    packages: ['skopeo'],
    needs: crioBundle,
    from: /^containerd:\/\/1\.7/,
    to: /^cri-o:\/\//,
    spec: toCrio,
  },
]
