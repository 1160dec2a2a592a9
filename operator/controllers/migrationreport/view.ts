import type { MigrationReport } from '../../../crds/types.gen.ts'
import type { ReportView } from '../../rollout/types.ts'

/** Beside the projected report: how large the whole is, and how its first failure reads. */
export interface ReportObject extends MigrationReport {
  readonly bytes?: number
  readonly firstFailure?: string
}

/** A report without its texts: name, attempt, result and reason of each node. */
export function projectReport(report: ReportObject): ReportObject {
  const { managedFields: _, ...metadata } = report.metadata as MigrationReport['metadata'] & { managedFields?: unknown }
  const nodes = report.status?.nodes ?? []
  const failure = report.firstFailure ?? nodes.find(({ message }) => message !== undefined)?.message
  return {
    ...report,
    metadata,
    ...(report.status && {
      status: {
        ...report.status,
        nodes: nodes.map(({ name, result, attempt, reason }) => ({
          name,
          result,
          ...(attempt !== undefined && { attempt }),
          ...(reason !== undefined && { reason }),
        })),
      },
    }),
    bytes: report.bytes ?? JSON.stringify(nodes).length,
    ...(failure !== undefined && { firstFailure: failure }),
  }
}

export function reportViewOf({ metadata, spec, status }: ReportObject): ReportView {
  return {
    name: metadata.name,
    revision: spec.revision,
    phase: status?.phase,
    nodes: (status?.nodes ?? []).map(({ name, attempt, result }) => ({ name, attempt, result })),
  }
}
