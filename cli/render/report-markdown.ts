/** A MigrationReport as Markdown that also reads well as plain text. Pure. */
import type { MigrationReport } from '../../crds/types.gen.ts'
import { humanMilliseconds } from './table.ts'

type Node = NonNullable<NonNullable<MigrationReport['status']>['nodes']>[number]
type State = NonNullable<Node['before']>

const state = (of: State | undefined): string =>
  of === undefined
    ? 'unknown'
    : [
        `${of.engine ?? '?'} ${of.engineVersion ?? ''}`.trim(),
        `driver ${of.cgroupDriver ?? '?'} (kubelet ${of.kubeletCgroupDriver ?? '?'})`,
        `handlers ${of.handlers ?? '?'}`,
        ...(of.sandboxImage === undefined ? [] : [`pause ${of.sandboxImage}`]),
      ].join(', ')

const elapsed = (node: Node): string =>
  node.startTime === undefined || node.completionTime === undefined
    ? ''
    : humanMilliseconds(Date.parse(node.completionTime) - Date.parse(node.startTime))

const figures = (node: Node): string[] => {
  const found: [string, string | undefined][] = [
    ['turn', elapsed(node)],
    ['drain', humanMilliseconds(node.drainMilliseconds)],
    ['kubelet down', humanMilliseconds(node.kubeletDownMilliseconds)],
    ['proof', humanMilliseconds(node.verification?.durationMilliseconds)],
    ['pods evicted', node.podsEvicted?.toString()],
    ['sandboxes removed', node.podsRemoved?.toString()],
  ]
  const parts = found
    .filter(([, value]) => value !== undefined && value !== '')
    .map(([name, value]) => `${name} ${value}`)
  return parts.length === 0 ? [] : [`- ${parts.join(' · ')}`]
}

const proof = (node: Node): string[] =>
  (node.verification?.handlers ?? []).map((handler) => {
    const calls = (handler.calls ?? []).map(({ name, milliseconds }) => `${name} ${milliseconds}`).join(', ')
    const verdict = handler.passed ? 'proven' : `NOT proven: ${handler.message ?? ''}`
    const where = handler.cgroupPath === undefined ? '' : `; cgroup ${handler.cgroupPath}`
    return `- handler ${handler.name}: ${verdict} in ${humanMilliseconds(handler.durationMilliseconds)}${where}${calls === '' ? '' : `\n  (ms: ${calls})`}`
  })

const diff = (node: Node): string[] =>
  (node.changes ?? []).flatMap((change) => ['', '```diff', change.diff.trimEnd(), '```'])

const section = (node: Node): string =>
  [
    `## ${node.name}: ${node.result}${node.action === undefined ? '' : ` (${node.action})`}`,
    '',
    ...(node.message === undefined || node.message === '' ? [] : [`- ${node.message}`]),
    `- before: ${state(node.before)}`,
    `- after: ${state(node.after)}`,
    ...figures(node),
    ...proof(node),
    ...diff(node),
  ].join('\n')

export const reportMarkdown = (report: MigrationReport): string => {
  const { spec, status } = report
  const head = [
    `# ${report.metadata.name}`,
    '',
    `RuntimeProfile ${spec.profile}, revision ${spec.revision}: **${status?.phase ?? 'Running'}**. ${status?.message ?? ''}`.trimEnd(),
    '',
    `${status?.startTime ?? '?'} to ${status?.completionTime ?? 'now'} · changed ${status?.changed ?? 0} · unchanged ${status?.unchanged ?? 0} · failed ${status?.failed ?? 0}`,
  ]
  const omitted = status?.omittedNodes ? ['', `${status.omittedNodes} more nodes are counted but not listed.`] : []
  return `${[...head, ...(status?.nodes ?? []).flatMap((node) => ['', section(node)]), ...omitted].join('\n')}\n`
}
