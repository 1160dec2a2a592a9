/** How long a node is without its kubelet while its engine is exchanged or upgraded, next to a bare script. */
import { loadavg } from 'node:os'
import type { RuntimeProfileSpec } from '../../crds/types.gen.ts'
import { lacking, type NodeSpec, type Settings, sentence } from '../cluster/cluster.ts'
import { crioBundle, engineOnly, toContainerd, toCrio } from '../moves/table.ts'
import { Bed as NodeBed, profileOf } from '../nodes/migration/bed.ts'
import { apply } from '../support/install.ts'
import { type Pair, paired, percentile95, type Row } from './bar.ts'
import { type Bed, daemon } from './bed.ts'
import { type EngineName, MovingNode } from './moving-node.ts'
import { barPerChange, writesRow } from './writes.ts'

const bar = 2
const usualPairs = 3
/** With the courier, four pods that no drain moves. */
const daemons = 3

interface Move {
  readonly name: string
  readonly node: NodeSpec
  readonly from: EngineName
  readonly to: EngineName
  readonly spec: (bed: NodeBed) => Promise<Partial<RuntimeProfileSpec>>
  /** Of DRYDOCK_TESTBED_BIN. */
  readonly needs: readonly string[]
}

const worker = { controlPlane: false } as const
const older: NodeSpec = { ...worker, name: 'older', kind: 'debian12' }
/** skopeo carries images into CRI-O. */
const newer: NodeSpec = { ...worker, name: 'newer', kind: 'debian13', packages: ['skopeo'] }
const docker: NodeSpec = { ...worker, name: 'docker', kind: 'debian13-docker' }
const crio: NodeSpec = { ...worker, name: 'crio', kind: 'debian13-crio' }

const moves: readonly Move[] = [
  {
    name: 'containerd 1.7 to 2.3 in place',
    node: newer,
    from: 'containerd',
    to: 'containerd',
    spec: engineOnly,
    needs: [],
  },
  {
    name: 'containerd 1.6 to 2.3 in place',
    node: older,
    from: 'containerd',
    to: 'containerd',
    spec: engineOnly,
    needs: [],
  },
  {
    name: 'Docker to containerd 2.3',
    node: docker,
    from: 'docker',
    to: 'containerd',
    spec: toContainerd,
    needs: ['cri-dockerd'],
  },
  { name: 'containerd 1.7 to CRI-O', node: newer, from: 'containerd', to: 'cri-o', spec: toCrio, needs: crioBundle },
  {
    name: 'CRI-O to containerd 2.3',
    node: crio,
    from: 'cri-o',
    to: 'containerd',
    spec: toContainerd,
    needs: crioBundle,
  },
]

/** What this computer can measure, and a row for each move that it cannot. */
export interface Possible {
  readonly nodes: readonly NodeSpec[]
  readonly moves: readonly Move[]
  readonly skipped: readonly Row[]
}

export async function possibleMoves(settings: Settings): Promise<Possible> {
  const missing = await Promise.all(moves.map(({ needs }) => lacking(settings, needs)))
  const own = moves.filter((_, index) => missing[index]?.length === 0)
  const skipped = moves.flatMap(({ name }, index): Row[] =>
    missing[index]?.length ? [{ name, unit: 'ms', bar, note: `it needs ${sentence(missing[index] ?? [])}` }] : [],
  )
  const controlPlane: NodeSpec = { name: 'control-plane', kind: 'debian12', controlPlane: true }
  return { nodes: [controlPlane, ...new Set(own.map(({ node }) => node))], moves: own, skipped }
}

/** In a cluster of those nodes, with Drydock in it. The script's pair follows each of Drydock's. */
export async function measureMoves(bed: Bed, { moves, skipped }: Possible, runs = usualPairs): Promise<readonly Row[]> {
  await apply(bed.cluster, ...Array.from({ length: daemons }, (_, index) => daemon(`bench-${index + 1}`)))
  const rows: Row[] = []
  for (const move of moves) rows.push(...(await measured(bed, move, runs)))
  return [...rows, ...skipped, await writes(bed, moves)]
}

async function measured(bed: Bed, { name, node, ...journey }: Move, runs: number): Promise<readonly Row[]> {
  const moving = new MovingNode(bed, node.name, journey)
  const there: Pair[] = []
  const back: Pair[] = []
  // Programs that nobody has run yet come from the disk, for Drydock as for the script that follows it: not measured.
  await moving.thereByDrydock()
  await moving.backByDrydock()
  while (back.length < runs) {
    const ours = [await moving.thereByDrydock(), await moving.backByDrydock()] as const
    const yardstick = [await moving.thereByScript(), await moving.backByScript()] as const
    there.push({ ours: ours[0], yardstick: yardstick[0] })
    back.push({ ours: ours[1], yardstick: yardstick[1] })
    const said = [...ours, ...yardstick].map(Math.round).join(', ')
    bed.log(
      `${name}: kubelet down there and back ${said} ms (Drydock, then the script); load ${loadavg()[0]?.toFixed(1)}`,
    )
  }
  return [...rowsOf(name, there), ...rowsOf(`back from ${name}`, back)]
}

function rowsOf(name: string, pairs: readonly Pair[]): readonly Row[] {
  const [ours, yardstick] = [
    percentile95(pairs.map(({ ours }) => ours)),
    percentile95(pairs.map(({ yardstick }) => yardstick)),
  ]
  const note = `kubelet down; ${pairs.length} pairs, /healthz asked every 10 ms`
  return [
    { name: `${name}, p50`, unit: 'ms', bar, ...paired(pairs), note },
    { name: `${name}, p95`, unit: 'ms', bar, ours, yardstick, ratio: ours / yardstick, note },
  ]
}

/** One rollout for all nodes, whatever they run: to containerd 2.3, without crun, which is too old for it on Debian 12. */
async function writes(bed: Bed, moves: readonly Move[]): Promise<Row> {
  const nodes = [...new Set(moves.map(({ node }) => node.name))]
  const nodeBed = new NodeBed(bed.cluster)
  const { handlers = [], ...wanted } = await toContainerd(nodeBed)
  const usual = handlers.filter((handler) => handler.default)
  const spec = { ...wanted, handlers: usual, rollout: { maxUnavailable: nodes.length } }
  const name = `writes per migrated node, ${nodes.length} to containerd 2.3`
  const row = await writesRow(bed, { name, nodes: nodes.length }, async () => {
    await apply(bed.cluster, profileOf('bench', nodes, spec))
    await nodeBed.ready('bench', '300s')
  })
  return { ...row, bar: barPerChange }
}
