/** The part of a report page that is about one node. Pure. */
import { diffLines } from '../diff.ts'
import { humanMilliseconds } from '../duration.ts'
import { failure, figures, type HandlerProof, type ReportNode, remarks, stateRows } from '../report-facts.ts'
import { chart } from './chart.ts'
import { html, type Markup } from './markup.ts'
import { stepSpans } from './spans.ts'

const tones: Readonly<Record<ReportNode['result'], string>> = {
  Changed: 'good',
  Unchanged: 'good',
  Skipped: 'wait',
  Refused: 'wait',
  RolledBack: 'wait',
  Failed: 'bad',
}

export const nodeSection = (node: ReportNode): Markup => html`<section class="node">
<h2>${node.name} <span class="badge ${tones[node.result]}">${node.result}</span></h2>
${node.message ? html`<p class="${tones[node.result]}">${failure(node)}</p>` : undefined}
<p class="soft">${[node.action && `Action ${node.action}`, node.attempt && `attempt ${node.attempt}`, node.reason].filter(Boolean).join(' · ')}</p>
${facts(figures(node))}
${states(node)}
${remarks(node).map(([title, sentences]) => html`<h3>${title}</h3><ul>${sentences.map((sentence) => html`<li>${sentence}</li>`)}</ul>`)}
${steps(node)}
${proof(node)}
${changes(node)}
</section>
`

export const facts = (list: readonly (readonly [name: string, value: string])[]): Markup =>
  list.length === 0
    ? html``
    : html`<ul class="facts">${list.map(([name, value]) => html`<li><b>${value}</b><span>${name}</span></li>`)}</ul>`

const states = ({ before = {}, after = {} }: ReportNode): Markup => {
  const rows = stateRows
    .map(([name, of]) => ({ name, was: of(before) || '–', is: of(after) || '–' }))
    .filter(({ was, is }) => was !== '–' || is !== '–')
  if (rows.length === 0) return html``
  return html`<h3>Before and after</h3><table><thead><tr><th></th><th>before</th><th>after</th></tr></thead><tbody>
${rows.map(({ name, was, is }) => html`<tr><th>${name}</th><td>${was}</td><td${was === is ? undefined : html` class="changed"`}>${is}</td></tr>`)}
</tbody></table>`
}

const steps = (node: ReportNode): Markup => {
  const spans = stepSpans(node)
  if (spans.length === 0) return html``
  const rows = spans.map((span) => ({ label: span.name, spans: [span], note: humanMilliseconds(span.to - span.from) }))
  return html`<h3>Steps on the node</h3><figure>${chart(`Steps on ${node.name}`, rows)}</figure>`
}

/** A column for each handler, a row for each call: what one handler has and another has not is seen at once. */
const proof = ({ verification }: ReportNode): Markup => {
  if (!verification) return html``
  const { handlers = [], passed, message, durationMilliseconds, engineName = 'engine', engineVersion } = verification
  const verdict = passed ? 'Every handler ran a pod through CRI' : (message ?? 'The proof failed')
  const names = [...new Set(handlers.flatMap(({ calls = [] }) => calls.map(({ name }) => name)))]
  const row = (name: string, cell: (handler: HandlerProof) => string | Markup): Markup =>
    html`<tr><th>${name}</th>${handlers.map((handler) => html`<td class="number">${cell(handler)}</td>`)}</tr>`
  return html`<h3>Proof</h3>
<p><span class="badge ${passed ? 'good' : 'bad'}">${passed ? 'proven' : 'not proven'}</span> ${verdict}, in ${humanMilliseconds(durationMilliseconds)}${engineVersion ? `, with ${engineName} ${engineVersion}` : ''}.</p>
${
  handlers.length === 0
    ? undefined
    : html`<div class="scroll"><table><thead><tr><th></th>${handlers.map(({ name }) => html`<th>${name}</th>`)}</tr></thead><tbody>
${row('result', handlerResult)}
${names.map((name) => row(name, ({ calls = [] }) => milliseconds(calls.filter((call) => call.name === name))))}
${row('in all', (handler) => humanMilliseconds(handler.durationMilliseconds))}
${readBack.filter(([, of]) => handlers.some(of)).map(([name, of]) => row(name, (handler) => of(handler) ?? ''))}
</tbody></table></div>`
}`
}

const handlerResult = ({ passed, message }: HandlerProof): Markup =>
  passed ? html`<span class="good">proven</span>` : html`<span class="bad">${message ?? 'failed'}</span>`

/** A call that is made twice counts as a whole. */
const milliseconds = (calls: readonly { readonly milliseconds: number }[]): string =>
  calls.length === 0 ? '' : humanMilliseconds(calls.reduce((sum, call) => sum + call.milliseconds, 0))

const mebibyte = 1024 * 1024

const readBack: readonly (readonly [name: string, of: (handler: HandlerProof) => string | undefined])[] = [
  ['cgroup, from the kernel', ({ cgroupPath }) => cgroupPath],
  [
    'memory limit, from the kernel',
    ({ memoryLimitBytes }) => (memoryLimitBytes === undefined ? undefined : `${memoryLimitBytes / mebibyte} MiB`),
  ],
  ['pod address that answered', ({ podIP }) => podIP],
]

const changes = (node: ReportNode): Markup => {
  if (!node.changes?.length) return html``
  return html`<h3>Files</h3>${node.changes.map(
    ({ path, diff }) =>
      html`<p><code>${path}</code></p><pre>${diffLines(diff.trimEnd()).map(({ kind, text }) => html`<span class="${kind}">${text}</span>`)}</pre>`,
  )}`
}
