/** What the parts take while they work: a rollout there and back. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Row } from './bar.ts'
import type { Bed } from './bed.ts'
import type { Peak } from './on-node/memory-watch.ts'

/** Bytes of 1000²: the stricter reading. */
const megabyte = 1e6
const bars = { courier: 60, engine: 60, operator: 140 } as const
const idleBarSeconds = 15
const idleLimitSeconds = 60

type Part = keyof typeof bars
type Peaks = Partial<Record<Part, Peak>>

export async function memory(bed: Bed): Promise<readonly Row[]> {
  const { worker, controlPlane } = bed
  await bed.migrate('back')
  // What an engine has taken for earlier changes is not part of this one.
  await idleRow(bed)
  let idle: Row | undefined
  let operator: Peaks = {}
  const rollouts = async () => {
    await bed.migrate('there')
    await bed.migrate('back')
    idle = await idleRow(bed)
  }
  const agent = await bed.watched<Peaks>(
    worker,
    ['memory-watch', 'courier=/app/courier.cjs', 'engine=/engine.cjs'],
    async () => {
      operator = await bed.watched<Peaks>(controlPlane, ['memory-watch', 'operator=/app/operator.cjs'], rollouts)
    },
  )
  const peaks = { ...agent, ...operator }
  return [...(Object.keys(bars) as Part[]).flatMap((part) => rowsOf(part, peaks[part])), ...(idle ? [idle] : [])]
}

function rowsOf(part: Part, peak: Peak | undefined): readonly Row[] {
  if (!peak) throw new Error(`no process of the ${part} was seen during a rollout`)
  const row = (name: string, bytes: number) => ({ name, ours: bytes / megabyte, unit: 'MB' })
  const note = `VmHWM in a rollout, MB of 10⁶ bytes; ${(peak.rss / 2 ** 20).toFixed(1)} MiB`
  return [
    { ...row(`memory of the ${part}, peak RSS`, peak.rss), bar: bars[part], note },
    { ...row(`memory of the ${part}, peak PSS`, peak.pss), note: 'smaps_rollup in a rollout, MB of 10⁶ bytes' },
  ]
}

/** How long the engine stays when there is nothing to do. */
async function idleRow(bed: Bed): Promise<Row> {
  const start = performance.now()
  const waited = () => (performance.now() - start) / 1000
  const isActive = async (): Promise<boolean> => {
    const { stdout } = await bed.cluster.exec(bed.worker, ['systemctl', 'is-active', 'drydock-engine.service'])
    return stdout.trim() === 'active'
  }
  while ((await isActive()) && waited() < idleLimitSeconds) await sleep(250)
  return {
    name: 'engine gone when idle',
    ours: waited(),
    unit: 's',
    bar: idleBarSeconds,
    note: 'from Ready of the profile to the unit inactive',
  }
}
