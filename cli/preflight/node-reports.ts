import type { NodeRuntimeStatus } from '../../crds/types.gen.ts'
import { answerOf } from '../../operator/rollout/answer.ts'
import { list } from '../../operator/rollout/budget.ts'
import type { Look, LookNode } from './cluster.ts'
import type { Finding } from './finding.ts'

/** A cluster without Drydock has no reports to miss. */
export const nodeReports = ({ nodes, installed }: Look): readonly Finding[] =>
  installed ? [...nodes.flatMap(finding), ...notes(nodes)] : []

/** What the agents found that a person should know before the change: alike on many nodes, as a rule. */
const notes = (nodes: readonly LookNode[]): readonly Finding[] => {
  const all = nodes.flatMap(({ view, runtime }) => {
    const status = runtime && answerOf(runtime)
    if (status?.phase !== 'Prepared') return []
    const told = [...(status.notes ?? []), ...(status.images?.message ? [status.images.message] : [])]
    return told.map((what) => ({ what, name: view.name }))
  })
  return [...Map.groupBy(all, ({ what }) => what)].map(([what, alike]) => ({
    severity: 'Note',
    subject: `${alike.length === 1 ? 'Node' : 'Nodes'} ${list(alike.map(({ name }) => name).sort())}`,
    what,
    advice: '',
  }))
}

const finding = (node: LookNode): readonly Finding[] => {
  const [severity, what, advice] = rules.map((rule) => rule(node.runtime?.status ?? {})).find(Boolean) ?? []
  return severity ? [{ severity, subject: `Node ${node.view.name}`, what: what ?? '', advice: advice ?? '' }] : []
}

type Rule = (status: NodeRuntimeStatus) => readonly [Finding['severity'], what: string, advice: string] | undefined

/** The first that speaks counts. */
const rules: readonly Rule[] = [
  ({ observed }) =>
    observed ? undefined : ['Warning', 'has not reported what it runs', 'see whether the agent’s pod runs there'],
  ({ phase, message = '' }) =>
    phase === 'Failed'
      ? ['Blocking', `needs a person: ${message}`, 'repair it, then set drydock.dev/retry']
      : undefined,
  ({ phase, message = '' }) =>
    phase === 'Refused'
      ? ['Blocking', `refused its order, and nothing was touched: ${message}`, 'then set drydock.dev/retry']
      : undefined,
  ({ observed }) => {
    const { engineDriver, kubeletDriver } = observed?.cgroup ?? {}
    if (engineDriver === undefined || kubeletDriver === undefined) {
      const whose = engineDriver === undefined ? 'engine' : 'kubelet'
      return ['Warning', `does not tell the cgroup driver of its ${whose}`, 'set cgroupDriver in the profile']
    }
    if (engineDriver === kubeletDriver) return undefined
    const what = `has two cgroup drivers: engine ${engineDriver}, kubelet ${kubeletDriver}`
    return ['Warning', what, 'set cgroupDriver in the profile: Drydock changes both as one pair']
  },
  ({ drifted }) =>
    drifted
      ? ['Warning', 'has files that are no longer what Drydock wrote', 'drydock status shows its sentence']
      : undefined,
]
