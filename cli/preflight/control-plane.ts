import type { Look } from './cluster.ts'
import type { Finding } from './finding.ts'

export const controlPlane = ({ nodes, everyNode }: Look): readonly Finding[] => {
  const members = everyNode.filter((view) => view.controlPlane)
  const node = nodes.find(({ view }) => view.controlPlane)
  if (members.length !== 1 || !node?.drains) return []
  return [
    {
      severity: 'Warning',
      subject: `Node ${node.view.name}`,
      what: 'is the whole control plane: the API is away while its engine changes',
      advice: 'choose a quiet hour; the node goes on, and back if need be, without the API',
    },
  ]
}
