import type { Layer, Release } from './base.ts'
import { containerd, containerd2 } from './engines/containerd.ts'
import { crio } from './engines/crio.ts'
import { docker } from './engines/docker.ts'
import type { NodeEngine } from './engines/engine.ts'

export interface NodeKind {
  release: Release
  /** Absent: the node boots, is on the network, and does not join. */
  engine?: NodeEngine
  /** Has containerd 2 in /usr/local/bin. */
  containerd2?: true
  /** What it is, for `--help`. */
  meaning: string
}

const kinds = {
  debian12: { release: 'debian12', engine: containerd, meaning: 'containerd 1.6, runc, crun, systemd 252' },
  debian13: { release: 'debian13', engine: containerd, meaning: 'containerd 1.7, runc, crun, systemd 257' },
  'debian13-containerd2': {
    release: 'debian13',
    engine: containerd2,
    containerd2: true,
    meaning: 'debian13 with containerd 2.3 in /usr/local/bin and a config of version 3',
  },
  'debian13-docker': {
    release: 'debian13',
    engine: docker,
    meaning: 'Docker 26 and cri-dockerd, which DRYDOCK_TESTBED_BIN must have',
  },
  'debian13-crio': {
    release: 'debian13',
    engine: crio,
    meaning: 'CRI-O, of which DRYDOCK_TESTBED_BIN must have crio and pinns',
  },
  'debian12-bare': { release: 'debian12', meaning: 'no container engine; not joined' },
  'debian13-bare': { release: 'debian13', meaning: 'no container engine; not joined' },
} as const satisfies Record<string, NodeKind>

export type NodeKindName = keyof typeof kinds

/** What a node can be. Another engine or release is a line here. */
export const nodeKinds: Readonly<Record<NodeKindName, NodeKind>> = kinds

export function isNodeKind(name: string): name is NodeKindName {
  return Object.hasOwn(nodeKinds, name)
}

/** The base of a kind's nodes, with more packages where a node is to have them. */
export function layerOf({ base, packages }: NodeEngine, more: readonly string[] = []): Layer {
  return { name: [base, ...more].filter(Boolean).join('-'), packages: [...packages, ...more] }
}
