import type { Release } from './base.ts'

export interface NodeKind {
  release: Release
  /** Where the engine comes from; a node without one boots, is on the network, and does not join. */
  engine: 'none' | 'package' | 'containerd2'
  /** What it is, for `--help`. */
  meaning: string
}

/** What a node can be. Another engine or release is a line here and its base. */
export const nodeKinds = {
  debian12: { release: 'debian12', engine: 'package', meaning: 'containerd 1.6, runc, crun, systemd 252' },
  debian13: { release: 'debian13', engine: 'package', meaning: 'containerd 1.7, runc, crun, systemd 257' },
  'debian13-containerd2': {
    release: 'debian13',
    engine: 'containerd2',
    meaning: 'debian13 with containerd 2.3 in /usr/local/bin and a config of version 3',
  },
  'debian12-bare': { release: 'debian12', engine: 'none', meaning: 'no container engine; not joined' },
  'debian13-bare': { release: 'debian13', engine: 'none', meaning: 'no container engine; not joined' },
} as const satisfies Record<string, NodeKind>

export type NodeKindName = keyof typeof nodeKinds

export function isNodeKind(name: string): name is NodeKindName {
  return Object.hasOwn(nodeKinds, name)
}
