import type { Look } from './cluster.ts'
import type { Finding } from './finding.ts'
import { on } from './workload.ts'

export const profileConflicts = ({ nodes }: Look): readonly Finding[] => {
  const contested = nodes.filter(({ profiles }) => profiles.length > 1)
  return [...Map.groupBy(contested, ({ profiles }) => profiles.join(' and '))].map(([names, where]) => ({
    severity: 'Blocking',
    subject: `RuntimeProfiles ${names}`,
    what: `select the same nodes, so that neither acts ${on(where.map(({ view }) => view.name))}`,
    advice: 'narrow the nodeSelector of all but one',
  }))
}
