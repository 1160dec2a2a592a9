/** A node goes to another engine and back, with pods on it. */
import type { MigrationReport, RuntimeProfileSpec } from '../../crds/types.gen.ts'
import { leaksOf } from '../crash/leaks.ts'
import { type Bed, profileOf, type Scenario, type Test } from '../nodes/migration/bed.ts'
import { apply } from '../support/install.ts'
import { type Answers, everyMs } from './api-watch.ts'
import { differences, imageOf } from './node-image.ts'
import { watched } from './watched.ts'
import { running, runsPods } from './workload.ts'

export interface Move {
  readonly node: string
  /** What the Node says that it runs, before and after. */
  readonly from: RegExp
  readonly to: RegExp
  readonly spec: (bed: Bed) => Promise<Partial<RuntimeProfileSpec>>
  /** Pods stay: the engine is replaced under them. */
  readonly keepsPods?: true
  /** The cluster's API runs there: it is back within the time without a kubelet. */
  readonly hasApi?: true
  readonly runtimeClasses?: readonly string[]
  /** What the node has had done to it before. */
  readonly given?: (bed: Bed) => Promise<unknown>
  /** More that must be true when the node is there. */
  readonly there?: Scenario
}

export const move =
  (wanted: Move): Scenario =>
  async (t, bed) => {
    const { node, from, to } = wanted
    const name = `move-${node}`
    t.match(await engineOf(bed, node), from)
    await wanted.given?.(bed)
    const [before, pods] = [await imageOf(bed, node), await running(bed, node)]
    const there = async () => {
      await apply(bed.cluster, profileOf(name, [node], { verify: { timeout: '120s' }, ...(await wanted.spec(bed)) }))
      await bed.ready(name, '300s')
    }
    const answers = wanted.hasApi ? await watched(bed.cluster, node, there) : await there()
    const report = await bed.report(name)
    if (answers) answered(t, answers, report)
    await arrived(t, bed, wanted, report)
    const now = await running(bed, node)
    if (wanted.keepsPods) t.same(now, pods, `${node}: the same containers run`)
    await wanted.there?.(t, bed)
    t.comment(`${node} is there; and back`)
    await bed.leave(name)
    await bed.cluster.waitReady([node])
    t.match(await engineOf(bed, node), from, `${node}: its former engine`)
    t.same(differences(before, await imageOf(bed, node)), [], `${node}: files, units and packages are what they were`)
    await running(bed, node)
    await runsPods(t, bed, node)
    t.same(await leaksOf(bed.cluster, node), [], `${node}: nothing is left behind`)
    t.notOk((await bed.node(node)).spec.unschedulable, `${node}: in service`)
    t.comment(`${to.source} and back to ${from.source}`)
  }

function answered(t: Test, { asked, longestMs, unanswered }: Answers, { status }: MigrationReport): void {
  const { kubeletDownMilliseconds = 0 } = status?.nodes?.[0] ?? {}
  t.comment(
    `the API: ${unanswered} of ${asked} questions unanswered, at most ${Math.round(longestMs)} ms without an answer`,
  )
  t.ok(asked > unanswered, 'it was there to be asked')
  t.ok(longestMs <= kubeletDownMilliseconds + everyMs, 'the API is back within the time without a kubelet')
}

async function arrived(t: Test, bed: Bed, { node, to, keepsPods, runtimeClasses }: Move, report: MigrationReport) {
  await bed.cluster.waitReady([node])
  t.match(await engineOf(bed, node), to, `${node}: the Node says ${to.source}`)
  const entry = report.status?.nodes?.find(({ name }) => name === node)
  t.match(entry, { result: 'Changed', verification: { passed: true }, kubeletDownMilliseconds: Number })
  if (keepsPods) t.match(entry, { action: 'Restart' })
  t.comment(`${node}: ${entry?.action}, kubelet down for ${entry?.kubeletDownMilliseconds} ms`)
  t.not(entry?.before?.engineVersion, entry?.after?.engineVersion, 'the report tells both versions')
  await running(bed, node)
  await runsPods(t, bed, node, runtimeClasses)
  t.same(await leaksOf(bed.cluster, node), [], `${node}: nothing is left behind`)
  t.notOk((await bed.node(node)).spec.unschedulable, `${node}: in service`)
}

export async function engineOf(bed: Bed, node: string): Promise<string> {
  return bed.kubectl('get', 'node', node, '-o', 'jsonpath={.status.nodeInfo.containerRuntimeVersion}')
}
