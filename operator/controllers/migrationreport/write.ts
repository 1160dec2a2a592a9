import { labels, managedByValue } from '../../../crds/protocol.ts'
import type { MigrationReport, MigrationReportStatus, RuntimeProfile } from '../../../crds/types.gen.ts'
import type { KubeClient } from '../../../kube/client.ts'
import type { Clock } from '../../../kube/clock.ts'
import { isAlreadyExists } from '../../../kube/errors.ts'
import { fit, type ReportNode } from '../../reports/entry.ts'
import { closingSentence, type Ended, totalsOf } from '../../reports/totals.ts'
import { fieldManager, MigrationReports } from '../../resources.ts'
import type { ReportEnd } from '../../rollout/types.ts'
import { labelValue } from '../noderuntime/write.ts'
import type { Store } from '../store.ts'
import type { ReportObject } from './view.ts'

export interface ReportWriterOptions {
  readonly client: Pick<KubeClient, 'create' | 'get' | 'patch' | 'delete'>
  readonly reports: Pick<Store<ReportObject>, 'get' | 'list' | 'remember' | 'forget'>
  readonly clock: Clock
}

interface PatchOperation {
  readonly op: 'add' | 'replace' | 'test'
  readonly path: string
  readonly value: unknown
}

/** Finished reports that are kept of each profile. */
const historyLimit = 10

/** Writes the records of rollouts: one write at the start, one for each node or several that end together, one at the end. */
export class ReportWriter {
  readonly #options: ReportWriterOptions

  constructor(options: ReportWriterOptions) {
    this.#options = options
  }

  async start(name: string, revision: string, { metadata }: RuntimeProfile): Promise<void> {
    const { client, reports } = this.#options
    const report: MigrationReport = {
      apiVersion: 'drydock.dev/v1alpha1',
      kind: 'MigrationReport',
      metadata: {
        name,
        labels: { [labels.managedBy]: managedByValue, [labels.profile]: labelValue(metadata.name) },
      },
      spec: {
        profile: metadata.name,
        ...(metadata.uid && { profileUID: metadata.uid }),
        ...(metadata.generation && { profileGeneration: metadata.generation }),
        revision,
      },
    }
    try {
      reports.remember(await client.create<MigrationReport>(MigrationReports, report))
    } catch (error) {
      if (!isAlreadyExists(error)) throw error
      const found = await client.get<MigrationReport>(MigrationReports, { name })
      if (found) reports.remember(found)
    }
  }

  /** Adds these nodes, or replaces what an earlier attempt of theirs left. */
  async record(name: string, entries: readonly ReportNode[]): Promise<void> {
    const report = this.#options.reports.get(name)
    if (!report) return
    const former = report.status?.nodes ?? []
    const place = new Map(former.map((node, index) => [node.name, index]))
    let bytes = report.bytes ?? 0
    const operations = entries.map((entry): PatchOperation => {
      const fitted = fit(entry, bytes)
      bytes += JSON.stringify(fitted).length
      const index = place.get(entry.name)
      return index === undefined
        ? { op: 'add', path: '/status/nodes/-', value: fitted }
        : { op: 'replace', path: `/status/nodes/${index}`, value: fitted }
    })
    const replaced = new Set(entries.map((entry) => entry.name))
    const nodes = [...former.filter((node) => !replaced.has(node.name)), ...entries]
    await this.#patch(report, [...operations, ...setAll(totalsOf(nodes))])
  }

  /** `unlisted`: how nodes ended that the list has no room for. */
  async finish(name: string, how: ReportEnd, unlisted: readonly Ended[]): Promise<void> {
    const report = this.#options.reports.get(name)
    if (!report) return
    const totals = totalsOf([...(report.status?.nodes ?? []), ...unlisted])
    const end: MigrationReportStatus = {
      ...totals,
      phase: how === 'Deleted' ? 'Superseded' : how,
      completionTime: this.#options.clock.now().toISOString(),
      message: closingSentence(how, totals, report.firstFailure),
      ...(unlisted.length > 0 && { omittedNodes: unlisted.length }),
    }
    await this.#patch(report, setAll(end))
    await this.#prune(report.spec.profile)
  }

  /** At the version that was read: two writers would list a node twice. */
  async #patch(report: ReportObject, operations: readonly PatchOperation[]): Promise<void> {
    const { client, reports, clock } = this.#options
    const { name, resourceVersion } = report.metadata
    const start: MigrationReportStatus = {
      phase: 'Running',
      startTime: report.metadata.creationTimestamp ?? clock.now().toISOString(),
      nodes: [],
    }
    const patch: readonly PatchOperation[] = [
      { op: 'test', path: '/metadata/resourceVersion', value: resourceVersion },
      // A report begins without a status: its first write makes one, so that a rollout costs one write less.
      ...(report.status ? [] : [{ op: 'add', path: '/status', value: start } as const]),
      ...operations,
    ]
    const options = { kind: 'json', subresource: 'status', fieldManager } as const
    reports.remember(await client.patch<MigrationReport>(MigrationReports, { name }, patch, options))
  }

  async #prune(profile: string): Promise<void> {
    const { client, reports } = this.#options
    const finished = reports
      .list()
      .filter(({ spec, status }) => spec.profile === profile && status?.completionTime !== undefined)
      .sort((a, b) => ((a.status?.completionTime ?? '') < (b.status?.completionTime ?? '') ? 1 : -1))
    for (const { metadata } of finished.slice(historyLimit)) {
      await client.delete(MigrationReports, { name: metadata.name })
      reports.forget(metadata.name)
    }
  }
}

function setAll(fields: object): PatchOperation[] {
  return Object.entries(fields).map(([key, value]) => ({ op: 'add', path: `/status/${key}`, value }))
}
