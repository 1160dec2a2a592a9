import { list } from '../../operator/rollout/budget.ts'
import type { Look, LookNode } from './cluster.ts'
import type { Finding } from './finding.ts'

type Reason = readonly [what: string, advice: string]

export const nodeSupport = ({ nodes }: Look): readonly Finding[] => {
  const refused = nodes.flatMap((node) => {
    const [what, advice] = refusals.map((refusal) => refusal(node)).find(Boolean) ?? []
    return what && advice ? [{ node, what, advice }] : []
  })
  return [...Map.groupBy(refused, ({ what, advice }) => `${what}\n${advice}`).values()].map((alike) => ({
    severity: 'Blocking',
    subject: `${alike.length === 1 ? 'Node' : 'Nodes'} ${list(alike.map(({ node }) => node.view.name).sort())}`,
    what: alike[0]?.what ?? '',
    advice: alike[0]?.advice ?? '',
  }))
}

/** The first that speaks counts. */
const refusals: readonly ((node: LookNode) => Reason | undefined)[] = [
  // What the agent found on the host is better than what the kubelet tells.
  ({ runtime }) => {
    const { observed, conditions } = runtime?.status ?? {}
    if (observed?.os?.supported !== false) return undefined
    const message = conditions?.find(({ type }) => type === 'Supported')?.message
    return [message ?? `${observed.os.id} is not a host that Drydock changes`, leaveOut]
  },
  ({ operatingSystem }) => (operatingSystem === 'windows' ? ['Drydock changes no Windows', leaveOut] : undefined),
  ({ osImage }) => {
    const managed = managedImages.find((name) => osImage.includes(name))
    return managed
      ? [`${managed} keeps its system read-only`, `${leaveOut}, and make the change by the means of ${managed}`]
      : undefined
  },
  ({ view, engine }) => {
    if (['', 'containerd', 'cri-o', 'docker'].includes(engine)) return undefined
    return [`the engine is ${view.runtimeVersion}, which Drydock does not know`, leaveOut]
  },
]

const leaveOut = 'leave it out of the nodeSelector'

/** As they begin nodeInfo.osImage. */
const managedImages = ['Talos', 'Bottlerocket', 'Container-Optimized OS']
