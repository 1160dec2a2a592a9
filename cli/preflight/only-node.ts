import { isOut } from '../../operator/rollout/availability.ts'
import type { Look } from './cluster.ts'
import type { Finding } from './finding.ts'

export const onlyNode = ({ nodes, everyNode }: Look): readonly Finding[] => {
  const inService = everyNode.filter((view) => !isOut(view))
  const [last] = inService
  const node = nodes.find(({ view }) => view.name === last?.name)
  if (inService.length !== 1 || !node?.drains) return []
  return [
    {
      severity: 'Warning',
      subject: `Node ${node.view.name}`,
      what: 'is the only one in service: pods that it loses wait until it is back',
      advice: 'add a node first, or choose a quiet hour',
    },
  ]
}
