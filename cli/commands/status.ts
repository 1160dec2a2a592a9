/** `drydock status`: each profile with its sentence, each node with its phase. */
import type { NodeRuntime, RuntimeProfile } from '../../crds/types.gen.ts'
import { NodeRuntimes, RuntimeProfiles } from '../../operator/resources.ts'
import { type Answer, answer } from '../answer.ts'
import { type Lister, listOurs } from '../connect.ts'
import type { Paint, Style } from '../render/paint.ts'
import { type Cell, table } from '../render/table.ts'

const readyOf = (profile: RuntimeProfile): string =>
  profile.status?.conditions?.find(({ type }) => type === 'Ready')?.status ?? 'Unknown'

const isStalled = (profile: RuntimeProfile): boolean =>
  profile.status?.conditions?.some(({ type, status }) => type === 'Stalled' && status === 'True') ?? false

const profileRow = (profile: RuntimeProfile): Cell[] => {
  const nodes = profile.status?.nodes
  const ready = readyOf(profile)
  const failed = nodes?.failed ?? 0
  return [
    profile.metadata.name,
    { text: ready, style: ready === 'True' ? 'green' : isStalled(profile) ? 'red' : 'yellow' },
    `${nodes?.ready ?? 0}/${nodes?.selected ?? 0}`,
    String(nodes?.updating ?? 0),
    failed > 0 ? { text: String(failed), style: 'red' } : '0',
    profile.status?.message ?? '',
  ]
}

const phaseStyles: Readonly<Record<string, Style>> = {
  Committed: 'green',
  Proven: 'green',
  Switching: 'cyan',
  RollingBack: 'yellow',
  RolledBack: 'yellow',
  Refused: 'yellow',
  Failed: 'red',
}

/** What runs, and where it goes: `docker 26.1.5 → containerd`. */
const engineCell = ({ spec, status }: NodeRuntime): string => {
  const { name = '?', version = '' } = status?.observed?.engine ?? {}
  const wanted = spec?.target?.engine.name
  return `${name} ${version}`.trim() + (wanted === undefined || wanted === name ? '' : ` → ${wanted}`)
}

const nodeRow = (runtime: NodeRuntime): Cell[] => {
  const { metadata, spec, status } = runtime
  const { phase = '-', action = '-', message = '', drifted, observed } = status ?? {}
  const style = phaseStyles[phase]
  return [
    metadata.name,
    spec?.profile ?? '-',
    style ? { text: phase, style } : phase,
    action,
    engineCell(runtime),
    observed?.cgroup?.engineDriver ?? '?',
    drifted ? { text: `drifted; ${message}`, style: 'yellow' } : message,
  ]
}

export interface StatusOptions {
  readonly output: 'text' | 'json'
  readonly paint: Paint
}

export const status = async (client: Lister, { output, paint }: StatusOptions): Promise<Answer> => {
  const [profiles, nodes] = await Promise.all([
    listOurs<RuntimeProfile>(client, RuntimeProfiles),
    listOurs<NodeRuntime>(client, NodeRuntimes),
  ])
  if (output === 'json') return answer(`${JSON.stringify({ profiles, nodes }, undefined, 2)}\n`)
  const profileTable =
    profiles.length === 0
      ? 'There is no RuntimeProfile: write one and `kubectl apply` it.'
      : table(['PROFILE', 'READY', 'NODES', 'UPDATING', 'FAILED', 'MESSAGE'], profiles.map(profileRow), paint)
  const nodeTable =
    nodes.length === 0
      ? 'No node has reported: `kubectl get daemonsets,pods -A -l app.kubernetes.io/name=drydock` shows whether the agents run.'
      : table(['NODE', 'PROFILE', 'PHASE', 'ACTION', 'ENGINE', 'DRIVER', 'MESSAGE'], nodes.map(nodeRow), paint)
  return answer(`${profileTable}\n\n${nodeTable}\n`)
}
