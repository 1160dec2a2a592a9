/** `drydock plan`: what the current order changes on each node, as a diff, and what it disrupts. */
import type { NodeRuntime } from '../../crds/types.gen.ts'
import type { KubeClient } from '../../kube/client.ts'
import { nodeRuntimes } from '../resources.ts'

const disruption = {
  None: 'nothing is disrupted',
  Restart: 'the engine restarts, pods keep running',
  DrainRestart: 'the node is drained, then its pods are created anew',
} as const

const nodePlan = ({ metadata, spec, status }: NodeRuntime): string => {
  const current = status?.revision === spec?.revision && status?.attempt === spec?.attempt
  if (spec?.revision === undefined) return `${metadata.name}: no profile selects it\n`
  if (status?.phase === undefined || !current) return `${metadata.name}: not prepared yet\n`
  if (status.phase === 'Refused') return `${metadata.name}: refused, nothing is touched: ${status.message ?? ''}\n`
  const action = status.action ?? 'None'
  const head = `${metadata.name}: ${status.phase}, ${action} (${disruption[action]})`
  return `${[head, ...(status.changes ?? []).map(({ diff }) => diff.trimEnd())].join('\n')}\n`
}

export const plan = async (client: KubeClient, node: string | undefined): Promise<string> => {
  const { items } = await client.list<NodeRuntime>(
    nodeRuntimes,
    node === undefined ? {} : { fieldSelector: `metadata.name=${node}` },
  )
  if (node !== undefined && items.length === 0)
    throw new Error(`no NodeRuntime ${node}: \`kubectl get noderuntimes\` lists them`)
  return items.map(nodePlan).join('\n')
}
