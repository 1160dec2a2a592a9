/** A MigrationReport as Markdown that also reads well as plain text. Pure. */
import type { MigrationReport } from '../../crds/types.gen.ts'
import { humanMilliseconds } from './duration.ts'
import { cell, prose } from './markdown.ts'
import { printable } from './paint.ts'
import {
  failure,
  figures,
  type HandlerProof,
  isUndo,
  type ReportNode,
  type RuntimeState,
  remarks,
  turnMilliseconds,
} from './report-facts.ts'

const state = (of: RuntimeState | undefined): string =>
  of === undefined || Object.keys(of).length === 0
    ? 'unknown'
    : [
        `${of.engine ?? '?'} ${of.engineVersion ?? ''}`.trim(),
        `driver ${of.cgroupDriver ?? '?'} (kubelet ${of.kubeletCgroupDriver ?? '?'})`,
        `handlers ${of.handlers ?? '?'}${of.ociRuntimes === undefined ? '' : ` (${of.ociRuntimes})`}`,
        ...(of.sandboxImage === undefined ? [] : [`pause ${of.sandboxImage}`]),
        ...(of.kubeletVersion === undefined ? [] : [`kubelet ${of.kubeletVersion}`]),
        ...(of.endpoint === undefined ? [] : [`at ${of.endpoint}`]),
      ].join(', ')

const figureLine = (node: ReportNode): string[] => {
  const parts = figures(node).map(([name, value]) => `${name} ${value}`)
  return parts.length === 0 ? [] : [`- ${parts.join(' · ')}`]
}

const stepLines = ({ steps = [] }: ReportNode): string[] => [
  ...stepLine(
    'steps',
    steps.filter((step) => !isUndo(step)),
  ),
  ...stepLine('rollback', steps.filter(isUndo)),
]

const stepLine = (title: string, steps: NonNullable<ReportNode['steps']>): string[] => {
  const parts = steps.map(
    ({ name, durationMilliseconds }) => `${prose(name)} ${humanMilliseconds(durationMilliseconds)}`,
  )
  return parts.length === 0 ? [] : [`- ${title}: ${parts.join(' → ')}`]
}

const remarkLines = (node: ReportNode): string[] =>
  remarks(node).flatMap(([title, sentences]) => [
    `- ${title}:`,
    ...sentences.map((sentence) => `  - ${prose(sentence)}`),
  ])

const proof = ({ name, passed, message, durationMilliseconds, cgroupPath, calls = [] }: HandlerProof): string => {
  const verdict = passed ? 'proven' : `NOT proven: ${prose(message ?? '')}`
  const where = cgroupPath === undefined ? '' : `; cgroup ${prose(cgroupPath)}`
  const times = calls.map((call) => `${prose(call.name)} ${call.milliseconds}`).join(', ')
  return `- handler ${prose(name)}: ${verdict} in ${humanMilliseconds(durationMilliseconds)}${where}${times === '' ? '' : `\n  (ms: ${times})`}`
}

/** A fence that the diff of a Markdown file cannot close. */
const fence = (text: string): string => {
  const longest = Math.max(2, ...[...text.matchAll(/`+/g)].map(([run]) => run.length))
  return '`'.repeat(longest + 1)
}

const diffs = (node: ReportNode): string[] =>
  (node.changes ?? []).flatMap(({ diff }) => ['', `${fence(diff)}diff`, diff.trimEnd(), fence(diff)])

const section = (node: ReportNode): string => {
  const failed = failure(node)
  return [
    `## ${prose(node.name)}: ${node.result}${node.action === undefined ? '' : ` (${node.action})`}`,
    '',
    ...(failed === undefined ? [] : [`- ${prose(failed)}`]),
    `- before: ${prose(state(node.before))}`,
    `- after: ${prose(state(node.after))}`,
    ...figureLine(node),
    ...stepLines(node),
    ...remarkLines(node),
    ...(node.verification?.handlers ?? []).map(proof),
    ...diffs(node),
  ].join('\n')
}

const overview = (nodes: readonly ReportNode[]): string[] => {
  if (nodes.length < 2) return []
  const rows = nodes.map((node) => {
    const cells = [node.name, node.result, node.action, humanMilliseconds(turnMilliseconds(node))]
    const down = humanMilliseconds(node.kubeletDownMilliseconds)
    return `| ${[...cells, down].map((text) => cell(text ?? '')).join(' | ')} |`
  })
  return ['', '| node | result | action | turn | kubelet down |', '|---|---|---|---|---|', ...rows]
}

export const reportMarkdown = (report: MigrationReport): string => {
  const { spec, status } = report
  const nodes = status?.nodes ?? []
  const head = [
    `# ${prose(report.metadata.name)}`,
    '',
    `RuntimeProfile ${prose(spec.profile)}, revision ${prose(spec.revision)}: **${status?.phase ?? 'Running'}**. ${prose(status?.message ?? '')}`.trimEnd(),
    '',
    `${status?.startTime ?? '?'} to ${status?.completionTime ?? 'now'} · changed ${status?.changed ?? 0} · unchanged ${status?.unchanged ?? 0} · failed ${status?.failed ?? 0}`,
  ]
  const omitted = status?.omittedNodes ? ['', `${status.omittedNodes} more nodes are counted but not listed.`] : []
  const sections = nodes.flatMap((node) => ['', section(node)])
  return printable(`${[...head, ...overview(nodes), ...sections, ...omitted].join('\n')}\n`)
}
