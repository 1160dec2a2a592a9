/** `drydock preflight`: what stands in the way of a rollout. Reads, and writes nothing. */
import { type Answer, exitCodes } from '../answer.ts'
import type { Lister } from '../connect.ts'
import { findingsOf } from '../preflight/checks.ts'
import { lookAt, type Scope } from '../preflight/cluster.ts'
import { type Finding, type Severity, severities } from '../preflight/finding.ts'
import { gather } from '../preflight/gather.ts'
import { type Paint, printable, type Style } from '../render/paint.ts'
import { wrap } from '../render/table.ts'

export interface PreflightOptions extends Scope {
  readonly output: 'text' | 'json'
  readonly paint: Paint
  /** Characters in a line. */
  readonly width: number
}

export const preflight = async (client: Lister, options: PreflightOptions): Promise<Answer> => {
  const look = lookAt(await gather(client), options)
  const findings = findingsOf(look)
  const nodes = look.nodes.map(({ view }) => view.name).sort()
  const blocked = findings.some(({ severity }) => severity === 'Blocking')
  const text =
    options.output === 'json'
      ? JSON.stringify({ nodes, blocked, findings }, undefined, 2)
      : [...groups(findings, options), summary(nodes.length, findings, options.paint)].join('\n\n')
  return { text: `${text}\n`, code: blocked ? exitCodes.bad : exitCodes.good }
}

const titles: Readonly<Record<Severity, readonly [title: string, style: Style]>> = {
  Blocking: ['BLOCKS A ROLLOUT', 'red'],
  Warning: ['MAY HURT', 'yellow'],
  Note: ['GOOD TO KNOW', 'cyan'],
}

const groups = (findings: readonly Finding[], { paint, width }: PreflightOptions): string[] =>
  severities.flatMap((severity) => {
    const [title, style] = titles[severity]
    const members = findings.filter((finding) => finding.severity === severity)
    if (members.length === 0) return []
    return [
      [paint(style, `${title} (${members.length})`), ...members.flatMap((one) => rows(one, paint, width))].join('\n'),
    ]
  })

const narrowest = 40

/** The subject on a line of its own: names are long, and sentences longer. */
const rows = ({ subject, what, advice }: Finding, paint: Paint, width: number): string[] => {
  const room = Math.max(narrowest, width - 6)
  const [first, ...rest] = wrap(`→ ${printable(advice)}`, room)
  return [
    `  ${paint('bold', printable(subject))}`,
    ...wrap(printable(what), room).map((line) => `    ${line}`),
    ...(advice === '' ? [] : [`    ${first}`, ...rest.map((line) => `      ${line}`)]),
  ]
}

const summary = (nodes: number, findings: readonly Finding[], paint: Paint): string => {
  const blocking = findings.filter(({ severity }) => severity === 'Blocking').length
  const where = nodes === 1 ? '1 node' : `${nodes} nodes`
  return blocking === 0
    ? paint('green', `Nothing blocks a rollout on ${where}.`)
    : paint('red', `${blocking === 1 ? '1 finding blocks' : `${blocking} findings block`} a rollout on ${where}.`)
}
