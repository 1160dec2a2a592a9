/** `drydock report [NAME]`: one MigrationReport, by name or the newest, or the list of all. */
import type { MigrationReport } from '../../crds/types.gen.ts'
import { MigrationReports } from '../../operator/resources.ts'
import { type Answer, answer } from '../answer.ts'
import { type Lister, listOurs, named } from '../connect.ts'
import { humanMilliseconds } from '../render/duration.ts'
import { reportHtml } from '../render/html/report.ts'
import type { Paint, Style } from '../render/paint.ts'
import { reportMarkdown } from '../render/report-markdown.ts'
import { type Cell, table } from '../render/table.ts'

export const formats = ['md', 'json', 'html'] as const
export type Format = (typeof formats)[number]

const forms: Readonly<Record<Format, (report: MigrationReport) => string>> = {
  md: reportMarkdown,
  json: (report) => `${JSON.stringify(report, undefined, 2)}\n`,
  html: reportHtml,
}

const began = ({ metadata, status }: MigrationReport): string => status?.startTime ?? metadata.creationTimestamp ?? ''

/** Newest first. */
const sorted = (reports: readonly MigrationReport[]): MigrationReport[] =>
  [...reports].sort((a, b) => began(b).localeCompare(began(a)))

export const report = async (client: Lister, name: string | undefined, format: Format): Promise<Answer> => {
  const options = name === undefined ? {} : named(name)
  const [found] = sorted(await listOurs<MigrationReport>(client, MigrationReports, options))
  if (found) return answer(forms[format](found))
  if (name !== undefined) throw new Error(`no MigrationReport ${name}: \`drydock report --list\` lists them`)
  throw new Error('there is no MigrationReport yet: apply a RuntimeProfile first')
}

const phaseStyles: Readonly<Record<string, Style>> = { Succeeded: 'green', Failed: 'red', Running: 'cyan' }

const row = (of: MigrationReport): Cell[] => {
  const { phase = 'Running', startTime, completionTime, changed = 0, unchanged = 0, failed = 0 } = of.status ?? {}
  const style = phaseStyles[phase]
  return [
    of.metadata.name,
    of.spec.profile,
    style ? { text: phase, style } : phase,
    startTime ?? '',
    startTime && completionTime ? humanMilliseconds(Date.parse(completionTime) - Date.parse(startTime)) : '',
    String(changed),
    String(unchanged),
    failed > 0 ? { text: String(failed), style: 'red' } : '0',
    of.status?.message ?? '',
  ]
}

const header = ['REPORT', 'PROFILE', 'PHASE', 'STARTED', 'TOOK', 'CHANGED', 'UNCHANGED', 'FAILED', 'MESSAGE']

export const listReports = async (client: Lister, format: Format, paint: Paint): Promise<Answer> => {
  const reports = sorted(await listOurs<MigrationReport>(client, MigrationReports))
  if (format === 'json') return answer(`${JSON.stringify(reports, undefined, 2)}\n`)
  if (reports.length === 0) return answer('there is no MigrationReport yet\n')
  return answer(`${table(header, reports.map(row), paint)}\n`)
}
