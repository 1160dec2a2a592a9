/** A MigrationReport as one HTML page that needs nothing else: no script, no font, no image from elsewhere. Pure. */
import type { MigrationReport } from '../../../crds/types.gen.ts'
import { humanMilliseconds } from '../duration.ts'
import { type ReportNode, turnMilliseconds } from '../report-facts.ts'
import { chart } from './chart.ts'
import { html, Markup } from './markup.ts'
import { facts, nodeSection } from './node.ts'
import { laneSpans, type SpanKind, spanKinds } from './spans.ts'
import { style } from './style.ts'

type Phase = NonNullable<NonNullable<MigrationReport['status']>['phase']>

const tones: Readonly<Record<Phase, string>> = { Running: 'wait', Succeeded: 'good', Failed: 'bad', Superseded: 'wait' }

export const reportHtml = ({ metadata, spec, status = {} }: MigrationReport): string => {
  const { phase = 'Running', message, nodes = [], omittedNodes } = status
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${metadata.name}: ${phase}</title>
<style>${new Markup(style)}</style>
</head>
<body>
<header>
<h1>${metadata.name} <span class="badge ${tones[phase]}">${phase}</span></h1>
<p class="soft">RuntimeProfile ${spec.profile}, revision ${spec.revision}</p>
${message ? html`<p class="lead">${message}</p>` : undefined}
${facts(totals(status))}
</header>
${timeline(nodes)}
${nodes.map(nodeSection)}
${omittedNodes ? html`<p class="soft">${omittedNodes} more nodes are counted but not listed.</p>` : undefined}
</body>
</html>
`.text
}

const totals = (status: NonNullable<MigrationReport['status']>): [string, string][] => {
  const { startTime, completionTime, changed = 0, unchanged = 0, failed = 0 } = status
  const took =
    startTime && completionTime
      ? humanMilliseconds(Date.parse(completionTime) - Date.parse(startTime))
      : 'still running'
  return [
    ['began (UTC)', startTime?.replace('T', ' ').replace(/(\.\d+)?Z$/, '') ?? '–'],
    ['took', took],
    ['changed', String(changed)],
    ['unchanged', String(unchanged)],
    ['failed', String(failed)],
  ]
}

const legend: Readonly<Record<SpanKind, string>> = {
  turn: 'turn, from cordon to return',
  drain: 'drain',
  change: 'change',
  proof: 'proof',
  rollback: 'rollback',
  down: 'kubelet down',
}

const timeline = (nodes: readonly ReportNode[]): Markup => {
  const rows = nodes.map((node) => ({
    label: node.name,
    spans: laneSpans(node),
    note: humanMilliseconds(turnMilliseconds(node)),
  }))
  const used = new Set(rows.flatMap(({ spans }) => spans.map(({ kind }) => kind)))
  if (used.size === 0) return html``
  return html`<h3>Timeline</h3><figure>${chart('When each node was changed', rows)}
<figcaption>${spanKinds.filter((kind) => used.has(kind)).map((kind) => html`<span><i class="${kind}"></i>${legend[kind]}</span>`)}</figcaption></figure>`
}
