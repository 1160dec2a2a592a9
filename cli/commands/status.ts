/** `drydock status`: each profile with its sentence, each node with its phase. */
import type { NodeRuntime, RuntimeProfile } from '../../crds/types.gen.ts'
import type { KubeClient } from '../../kube/client.ts'
import { table } from '../render/table.ts'
import { nodeRuntimes, runtimeProfiles } from '../resources.ts'

const ready = (profile: RuntimeProfile): string =>
  profile.status?.conditions?.find(({ type }) => type === 'Ready')?.status ?? 'Unknown'

const profileRow = (profile: RuntimeProfile): string[] => {
  const nodes = profile.status?.nodes
  return [
    profile.metadata.name,
    ready(profile),
    `${nodes?.ready ?? 0}/${nodes?.selected ?? 0}`,
    String(nodes?.failed ?? 0),
    profile.status?.message ?? '',
  ]
}

const nodeRow = ({ metadata, spec, status }: NodeRuntime): string[] => [
  metadata.name,
  spec?.profile ?? '-',
  status?.phase ?? '-',
  status?.action ?? '-',
  `${status?.observed?.engine?.name ?? '?'} ${status?.observed?.engine?.version ?? ''}`.trim(),
  status?.observed?.cgroup?.engineDriver ?? '?',
  status?.message ?? '',
]

export const status = async (client: KubeClient): Promise<string> => {
  const [profiles, nodes] = await Promise.all([
    client.list<RuntimeProfile>(runtimeProfiles, {}),
    client.list<NodeRuntime>(nodeRuntimes, {}),
  ])
  return [
    table(['PROFILE', 'READY', 'NODES', 'FAILED', 'MESSAGE'], profiles.items.map(profileRow)),
    '',
    table(['NODE', 'PROFILE', 'PHASE', 'ACTION', 'ENGINE', 'DRIVER', 'MESSAGE'], nodes.items.map(nodeRow)),
    '',
  ].join('\n')
}
