/** When a report begins, which node it gains, and when it ends. */
import { annotations, originalRevision } from '../../crds/protocol.ts'
import { isOpen } from './answer.ts'
import { isRepeatedProof } from './drift.ts'
import { outcomeOf } from './outcome.ts'
import type { Decision, Known, Member, Outcome, ReportView, RolloutState, Stage } from './types.ts'

/** Nodes that a report lists by name, as its schema bounds it; the counts go on. */
const listedNodes = 256

export interface Reporting {
  readonly reportOf: (revision: string) => string
  readonly revision: string
  readonly isDeleting: boolean
  readonly isStopped: boolean
  readonly reports: readonly ReportView[]
  readonly staged: readonly { readonly member: Member; readonly stage: Stage }[]
  /** Nodes whose turn begins. */
  readonly started: readonly Known[]
}

interface Reports extends Pick<RolloutState, 'reports' | 'formerReports'> {
  readonly profile: string
}

/** The report that orders of this revision belong to: the one that runs, or the name of the one to start. */
export function reportFor({ profile, reports, formerReports }: Reports, revision: string): string {
  const running = reports.find((report) => report.revision === revision && isRunning(report))
  if (running) return running.name
  const taken = new Set([...formerReports, ...reports.map(({ name }) => name)])
  const first = `${profile}-${revision}`
  for (let number = 1; ; number++) {
    const name = number === 1 ? first : `${first}-${number}`
    if (!taken.has(name)) return name
  }
}

/** A report that was created and has no status yet runs too. */
export const isRunning = ({ phase }: ReportView): boolean => phase === undefined || phase === 'Running'

export function reportDecisions(reporting: Reporting): Decision[] {
  return [...starts(reporting), ...records(reporting), ...ends(reporting)]
}

/** A report starts with the first order that belongs to it, or when a rollout that had stopped goes on. */
function starts({ reportOf, reports, staged, started }: Reporting): Decision[] {
  const known = new Set(reports.map(({ name }) => name))
  const wanted = new Map<string, string>()
  for (const { stage } of staged) {
    if (stage.at !== 'ordering' || stage.decision.kind !== 'Order') continue
    const { report, revision } = stage.decision.order
    if (report !== undefined) wanted.set(report, revision)
  }
  for (const { runtime } of started) {
    if (isRepeatedProof(runtime)) continue
    const revision = runtime.spec?.revision ?? ''
    wanted.set(reportOf(revision), revision)
  }
  return [...wanted]
    .filter(([name]) => !known.has(name))
    .map(([name, revision]) => ({ kind: 'StartReport', name, revision }))
}

function records({ reports, staged }: Reporting): Decision[] {
  return reports.filter(isRunning).flatMap((report) => {
    let places = listedNodes - report.nodes.length
    return staged.flatMap(({ member, stage }): Decision[] => {
      const outcome = unrecorded(report, member)
      if (!outcome || isReturning(stage)) return []
      // Many nodes may end between two plans: a write that lists more than the schema allows would be refused as a whole.
      if (!listedIn(report, member) && places-- <= 0) return []
      return [{ kind: 'RecordNode', report: report.name, node: member.node.name, outcome }]
    })
  })
}

/** An order must not be replaced before its report has what became of it. */
export function mustRecordFirst(reports: readonly ReportView[], member: Member): boolean {
  return reports.some((report) => isRunning(report) && unrecorded(report, member) !== undefined)
}

/** How the node's order ended, which the report does not say yet. A full list takes no more names, only news of its own. */
function unrecorded(report: ReportView, member: Member): Outcome | undefined {
  const { runtime } = member
  if (!runtime || !belongsTo(member, report)) return undefined
  const listed = listedIn(report, member)
  const isSettled = listed ? listed.attempt === runtime.spec?.attempt : report.nodes.length >= listedNodes
  return isSettled ? undefined : outcomeOf(runtime)
}

const listedIn = ({ nodes }: ReportView, { node }: Member) => nodes.find(({ name }) => name === node.name)

const isReturning = ({ at }: Stage): boolean => at === 'returning'

function ends(reporting: Reporting): Decision[] {
  const { reports, staged, revision, isDeleting, isStopped } = reporting
  return reports.filter(isRunning).flatMap((report): Decision[] => {
    const own = staged.filter(({ member }) => belongsTo(member, report))
    if (own.some(({ member, stage }) => isBusy(member, stage) || unrecorded(report, member))) return []
    const isWanted = report.revision === originalRevision || (report.revision === revision && !isDeleting)
    if (!isWanted) return [{ kind: 'FinishReport', name: report.name, end: isDeleting ? 'Deleted' : 'Superseded' }]
    const isPartial = staged.some(({ stage, member }) => isPending(stage, member, report))
    if (isPartial && !isStopped) return []
    const hasFailed = isPartial || own.some(({ stage }) => stage.at === 'failed')
    return [{ kind: 'FinishReport', name: report.name, end: hasFailed ? 'Failed' : 'Succeeded' }]
  })
}

const belongsTo = ({ runtime }: Member, { name }: ReportView): boolean =>
  runtime?.metadata.annotations?.[annotations.report] === name

/** In the middle of what the report is about. */
function isBusy({ runtime, intent }: Member, { at }: Stage): boolean {
  if (intent.kind === 'handOver') return false
  return at === 'underWay' || at === 'returning' || (runtime !== undefined && isOpen(runtime))
}

/** Has still to go where the report's revision leads. */
function isPending(stage: Stage, { runtime, intent }: Member, { revision }: ReportView): boolean {
  if (intent.kind === 'handOver') return false
  if (stage.at === 'ordering') return stage.decision.kind === 'Order' && stage.decision.order.revision === revision
  return pendingStages.includes(stage.at) && runtime?.spec?.revision === revision
}

const pendingStages: readonly Stage['at'][] = ['waiting', 'preparing', 'startable', 'underWay', 'returning']
