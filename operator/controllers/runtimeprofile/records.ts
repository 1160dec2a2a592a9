/** The decisions about reports, several nodes of one report in one write. */
import { annotations } from '../../../crds/protocol.ts'
import type { NodeRuntime, RuntimeProfile } from '../../../crds/types.gen.ts'
import type { KubeClient } from '../../../kube/client.ts'
import type { Clock } from '../../../kube/clock.ts'
import { isConflict, isInvalid } from '../../../kube/errors.ts'
import type { EventRecorder } from '../../../kube/events.ts'
import { entryOf, type ReportNode } from '../../reports/entry.ts'
import { MigrationReports, NodeRuntimes } from '../../resources.ts'
import { outcomeOf } from '../../rollout/outcome.ts'
import type { Decision, ReportEnd } from '../../rollout/types.ts'
import type { ReportWriter } from '../migrationreport/write.ts'
import { refresh } from '../store-write.ts'
import * as events from './events.ts'
import type { Stores } from './gather.ts'

type Start = Extract<Decision, { kind: 'StartReport' }>
type Record = Extract<Decision, { kind: 'RecordNode' }>

export interface RecordsOptions {
  readonly client: Pick<KubeClient, 'get'>
  readonly stores: Stores
  readonly writer: ReportWriter
  readonly events: Pick<EventRecorder, 'record'>
  readonly clock: Clock
}

export class Records {
  readonly #options: RecordsOptions

  constructor(options: RecordsOptions) {
    this.#options = options
  }

  start(decision: Decision, profile: RuntimeProfile): Promise<void> {
    const { name, revision } = decision as Start
    return this.#options.writer.start(name, revision, profile)
  }

  /** One task for each report that gains nodes or ends. */
  tasks(decisions: readonly Decision[], profile: RuntimeProfile): (() => Promise<void>)[] {
    const records = Map.groupBy(
      decisions.filter((decision): decision is Record => decision.kind === 'RecordNode'),
      ({ report }) => report,
    )
    return [
      ...[...records].map(
        ([report, nodes]) =>
          () =>
            this.#record(report, nodes, profile),
      ),
      ...decisions.flatMap((decision) =>
        decision.kind === 'FinishReport' ? [() => this.#finish(decision.name, decision.end)] : [],
      ),
    ]
  }

  async #record(report: string, nodes: readonly Record[], profile: RuntimeProfile): Promise<void> {
    const entries = (await Promise.all(nodes.map((node) => this.#entry(node)))).flatMap((entry) => entry ?? [])
    const isWritten = await this.#write(report, () => this.#options.writer.record(report, entries))
    if (isWritten) for (const entry of entries) events.ended(this.#options.events, entry, profile)
  }

  /** From the whole NodeRuntime: our copy is without diffs and calls. */
  async #entry({ node, outcome }: Record): Promise<ReportNode | undefined> {
    const { client, stores, clock } = this.#options
    const planned = stores.runtimes.get(node)
    const runtime = await client.get<NodeRuntime>(NodeRuntimes, { name: node })
    const isSame =
      runtime?.spec?.revision === planned?.spec?.revision && runtime?.spec?.attempt === planned?.spec?.attempt
    return runtime && isSame ? entryOf(runtime, outcome, clock.now()) : undefined
  }

  async #finish(name: string, end: ReportEnd): Promise<void> {
    await this.#write(name, () => this.#options.writer.finish(name, end, this.#unlisted(name)))
  }

  /** How nodes ended that belong to the report and are not in its list. */
  #unlisted(name: string): ReportNode[] {
    const { stores } = this.#options
    const listed = new Set(stores.reports.get(name)?.status?.nodes?.map((node) => node.name))
    return stores.runtimes.list().flatMap((runtime) => {
      const { metadata } = runtime
      if (metadata.annotations?.[annotations.report] !== name || listed.has(metadata.name)) return []
      const outcome = outcomeOf(runtime)
      return outcome ? [entryOf(runtime, outcome, this.#options.clock.now())] : []
    })
  }

  async #write(name: string, write: () => Promise<void>): Promise<boolean> {
    const { client, stores } = this.#options
    const version = () => stores.reports.get(name)?.metadata.resourceVersion
    const written = version()
    try {
      await write()
      return true
    } catch (error) {
      if (!isConflict(error) && !isInvalid(error)) throw error
      await refresh(client, { type: MigrationReports, store: stores.reports, name })
      // A JSON patch whose version test fails is refused as invalid, as one is that breaks the schema: only the version
      // tells them apart, and the second would fail for ever without a word.
      if (isInvalid(error) && version() === written) throw error
      return false
    }
  }
}
