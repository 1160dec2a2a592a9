/** How long a node is without its kubelet for a change, next to a bare script that makes the same change. */
import { median, type Pair, paired, type Row } from './bar.ts'
import type { Bed, State } from './bed.ts'

const bar = 2
const usualPairs = 10

type Files = readonly { readonly path: string; readonly text: string }[]

interface Ours {
  readonly seenMs: number
  readonly reportedMs: number
  readonly files: Files
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
      const yardstick = await seenDown(bed, () => bed.onNode(bed.worker, bare, JSON.stringify(ours.files)))
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
  const seenMs = await seenDown(bed, () => bed.migrate(state))
  const { status } = await bed.migrate(state)
  const { kubeletDownMilliseconds: reportedMs, action, changes = [] } = status ?? {}
  if (reportedMs === undefined || action !== 'DrainRestart') {
    throw new Error(`${bed.worker} was to be changed by DrainRestart; its NodeRuntime says ${JSON.stringify(action)}`)
  }
  const read = async (path: string) => ({ path, text: await bed.onNode(bed.worker, ['cat', path]) })
  return { seenMs, reportedMs, files: await Promise.all(changes.map(({ path }) => read(path))) }
}

/** What can be seen from outside while a change is made: the kubelet does not answer. */
async function seenDown(bed: Bed, change: () => Promise<unknown>): Promise<number> {
  await bed.settled()
  const { downMs } = await bed.watched<{ downMs: number[] }>(bed.worker, ['kubelet-watch'], change)
  const [only, ...more] = downMs
  if (only === undefined || more.length > 0) {
    throw new Error(`the kubelet was to be away once, and was away ${downMs.length} times`)
  }
  return only
}
