import type { Look, LookNode, Pod } from './cluster.ts'
import type { Finding } from './finding.ts'
import { hostPaths, runsDocker, workloads } from './workload.ts'

export const engineFiles = ({ nodes }: Look): readonly Finding[] =>
  workloads(nodes, find).map(({ subject, found, where }) => ({ ...found, subject, what: `${found.what} (${where})` }))

/** Folders that one engine alone writes to. */
const folders: readonly (readonly [engine: string, path: RegExp])[] = [
  ['docker', /^\/(var\/lib|etc)\/docker(\/|$)/],
  ['containerd', /^\/(var\/lib|etc)\/containerd(\/|$)/],
  ['cri-o', /^\/(var\/lib\/containers|etc\/crio)(\/|$)/],
]

const find = (pod: Pod, node: LookNode): Omit<Finding, 'subject'> | undefined => {
  const paths = hostPaths(pod)
  // Docker's are a surprise wherever it is not the engine; those of another engine are when it goes.
  const gone = folders.filter(([engine]) => engine === 'docker' || (node.move && engine === node.engine))
  const data = paths.find((path) => gone.some(([, folder]) => folder.test(path)))
  if (data !== undefined) {
    return { severity: 'Warning', what: `reads ${data}`, advice: 'no other engine writes there: find its new source' }
  }
  // Under every engine but Docker the lines have the format of CRI already.
  const logs = paths.find((path) => /^\/var\/log(\/(pods|containers))?$/.test(path))
  if (logs === undefined || !runsDocker(node)) return undefined
  const advice = 'set its parser to the CRI format, or to detect it: Docker’s lines are JSON, all others’ are not'
  return { severity: 'Warning', what: `may read the logs of containers under ${logs}`, advice }
}
