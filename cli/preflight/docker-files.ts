import type { Look, LookNode, Pod } from './cluster.ts'
import type { Finding } from './finding.ts'
import { hostPaths, runsDocker, workloads } from './workload.ts'

export const dockerFiles = ({ nodes }: Look): readonly Finding[] =>
  workloads(nodes, find).map(({ subject, found, where }) => ({ ...found, subject, what: `${found.what} (${where})` }))

const find = (pod: Pod, node: LookNode): Omit<Finding, 'subject'> | undefined => {
  const paths = hostPaths(pod)
  const data = paths.find((path) => /^\/(var\/lib\/docker|etc\/docker)(\/|$)/.test(path))
  if (data !== undefined) {
    return { severity: 'Warning', what: `reads ${data}`, advice: 'no other engine writes there: find its new source' }
  }
  // Under every engine but Docker the lines have the format of CRI already.
  const logs = paths.find((path) => /^\/var\/log(\/(pods|containers))?$/.test(path))
  if (logs === undefined || !runsDocker(node)) return undefined
  const advice = 'set its parser to the CRI format, or to detect it: Docker’s lines are JSON, all others’ are not'
  return { severity: 'Warning', what: `may read the logs of containers under ${logs}`, advice }
}
