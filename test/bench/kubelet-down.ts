/** How long a node is without its kubelet for a change, next to a bare script that makes the same change. */
import { median, type Pair, paired, type Row } from './bar.ts'
import type { Bed, State } from './bed.ts'
import type { BareChange, BareFile } from './on-node/bare-switch.ts'

const bar = 2
const usualPairs = 10

const socket = '/run/containerd/containerd.sock'
const units = ['containerd.service']

interface Ours {
  readonly seenMs: number
  readonly reportedMs: number
  readonly files: readonly BareFile[]
}

/** There and back by Drydock, then there and back by the script: each starts where the other has started. */
export async function kubeletDown(bed: Bed, runs = usualPairs): Promise<readonly Row[]> {
  await bed.migrate('back')
  const bare = await bed.install(bed.worker, 'bare-switch')
  const pairs: Pair[] = []
  const reported: number[] = []
  while (pairs.length < runs) {
    const there = await byDrydock(bed, 'there')
    const back = await byDrydock(bed, 'back')
    for (const ours of [there, back]) {
      await bed.settled()
      const yardstick = await seenDown(bed, bed.worker, () =>
        bed.onNode(bed.worker, bare, JSON.stringify(bareChange(ours.files))),
      )
      pairs.push({ ours: ours.seenMs, yardstick })
      reported.push(ours.reportedMs)
      bed.log(`kubelet down: ${[ours.seenMs, ours.reportedMs, yardstick].map(Math.round).join(', ')} ms`)
    }
  }
  const seen = paired(pairs)
  const note = `medians of ${pairs.length} pairs; /healthz asked every 10 ms`
  return [
    { name: 'kubelet down', unit: 'ms', bar, ...seen, note },
    {
      name: 'kubelet down, as reported',
      unit: 'ms',
      ours: median(reported),
      yardstick: seen.ours,
      ratio: median(reported.map((ms, index) => ms / pairs[index]!.ours)),
      note: 'kubeletDownMilliseconds next to what was seen',
    },
  ]
}

async function byDrydock(bed: Bed, state: State): Promise<Ours> {
  await bed.settled()
  const seenMs = await seenDown(bed, bed.worker, () => bed.migrate(state))
  const { status } = await bed.migrate(state)
  const { kubeletDownMilliseconds: reportedMs, action, changes = [] } = status ?? {}
  if (reportedMs === undefined || action !== 'DrainRestart') {
    throw new Error(`${bed.worker} was to be changed by DrainRestart; its NodeRuntime says ${JSON.stringify(action)}`)
  }
  const read = async (path: string) => ({ path, text: await bed.onNode(bed.worker, ['cat', path]) })
  return { seenMs, reportedMs, files: await Promise.all(changes.map(({ path }) => read(path))) }
}

const bareChange = (files: readonly BareFile[]): BareChange => ({
  removeThrough: socket,
  stop: units,
  disable: [],
  enable: [],
  start: units,
  files,
  waitFor: socket,
  exporting: [],
  importing: [],
})

/** What can be seen from outside while a change is made, in milliseconds: the kubelet does not answer. */
export async function seenDown(bed: Bed, node: string, change: () => Promise<unknown>): Promise<number> {
  const { downMs } = await bed.watched<{ downMs: number[] }>(node, ['kubelet-watch'], change)
  const [only, ...more] = downMs
  if (only === undefined || more.length > 0) {
    throw new Error(`the kubelet of ${node} was to be away once, and was away ${downMs.length} times`)
  }
  return only
}
