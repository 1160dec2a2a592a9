/** `npm run bench`: speed and memory on a real cluster, each next to its yardstick or its bar. */
import { writeFile } from 'node:fs/promises'
import { loadavg } from 'node:os'
import { parseArgs } from 'node:util'
import { table } from '../../cli/render/table.ts'
import { attach, bringUp, type NodeSpec, settingsFrom } from '../cluster/cluster.ts'
import { takeDown } from '../cluster/take-down.ts'
import { positive, UsageError, wrongUsage } from '../support/command-line.ts'
import { drydockImages, installDrydock } from '../support/install.ts'
import { type Row, verdictOf } from './bar.ts'
import { Bed } from './bed.ts'
import { convergence } from './convergence.ts'
import { kubeletDown } from './kubelet-down.ts'
import { memory } from './memory.ts'
import { measureMoves, possibleMoves } from './moves.ts'
import { proof } from './proof.ts'
import { writesPerChange, writesWhenIdle } from './writes.ts'

const clusterName = 'bench'

interface Options {
  /** Pairs of each paired benchmark; its own number when absent. */
  readonly runs?: number
  readonly idleSeconds: number
}

type Benchmark = (bed: Bed, options: Options) => Promise<readonly Row[]>

/** In this order: the idle period comes last, when nothing is left to be done. */
const benchmarks: Readonly<Record<string, Benchmark>> = {
  writes: (bed) => writesPerChange(bed),
  memory: (bed) => memory(bed),
  'kubelet-down': (bed, { runs }) => kubeletDown(bed, runs),
  proof: (bed, { runs }) => proof(bed, runs),
  idle: (bed, { idleSeconds }) => writesWhenIdle(bed, idleSeconds),
}

/** What needs no cluster; before all others, while nothing else runs. */
const simulated: Readonly<Record<string, () => Promise<readonly Row[]>>> = { convergence }

/** What needs other nodes; after the others, whose cluster is gone then. */
const apart = ['moves']

const usage = `npm run bench [-- --only NAME,...] [--runs N] [--idle SECONDS] [--json FILE]

Brings up a cluster of a control plane and two workers, installs Drydock, measures, and prints one table. Ends with 1 when
a bar is missed. Needs what npm run demo needs.

  writes        requests of Drydock that change something, per changed node, by the API server's audit log: at most 18
  memory        peak resident set in rollouts, of the courier (60 MB), the engine (60 MB), the operator (140 MB); how soon
                the engine is gone (15 s). MB are 10⁶ bytes
  kubelet-down  the time without a kubelet for a change, next to a script that does the same without proof: at most 2 times
  proof         the proof of a handler, next to the same CRI calls by a raw gRPC client: at most 1.15 times
  idle          the same requests per node and hour when all nodes have converged: 0

  convergence   a rollout of 1,000 simulated nodes next to a schedule without a gap (at least 0.95 of it, 0.85 with 2% of the
                nodes failing; with half the places next to one whose places are full to its end, at least 0.95), and the
                requests per node there; alone it needs no cluster

  moves         the time without a kubelet while an engine is exchanged or upgraded, next to a script that does the same: p50
                and p95 at most 2 times; requests per node there. In a cluster of its own, with an old and a new worker, and
                one each on Docker and CRI-O where DRYDOCK_TESTBED_BIN has what they need

  --only        these alone
  --runs        pairs of each benchmark with a yardstick (proof 15, kubelet-down 10, moves 3); the ratio is the median of the pairs'
  --idle        seconds of the idle period (120); the drift check, every ten minutes, falls into longer ones
  --json        writes the rows with the figures in full to a file`

const started = Date.now()
const log = (line: string) => console.log(`${((Date.now() - started) / 1000).toFixed(1).padStart(6)} s  ${line}`)

interface Call extends Options {
  readonly names: readonly string[]
  readonly json?: string
}

/** Undefined when help was asked for. */
function callOf(argv: readonly string[]): Call | undefined {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      only: { type: 'string' },
      runs: { type: 'string' },
      idle: { type: 'string', default: '120' },
      json: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) return undefined
  const all = [...Object.keys(simulated), ...Object.keys(benchmarks), ...apart]
  const only = values.only?.split(',') ?? all
  const unknown = only.find((name) => !all.includes(name))
  if (unknown !== undefined) throw new UsageError(`--only ${unknown}: write some of ${all.join(', ')}`)
  return {
    names: all.filter((name) => only.includes(name)),
    idleSeconds: positive('--idle', values.idle),
    ...(values.runs !== undefined && { runs: positive('--runs', values.runs) }),
    ...(values.json !== undefined && { json: values.json }),
  }
}

async function simulate({ names }: Call): Promise<ReadonlyMap<string, readonly Row[]>> {
  const results = new Map<string, readonly Row[]>()
  for (const [name, benchmark] of Object.entries(simulated)) {
    if (!names.includes(name)) continue
    log(`${name} ...`)
    results.set(name, await benchmark())
  }
  return results
}

/** A cluster of these nodes with Drydock in it. */
async function standing(nodes: readonly NodeSpec[], offers: boolean): Promise<Bed> {
  const [cluster, images] = await Promise.all([bringUp({ name: clusterName, nodes, offers, log }), drydockImages(log)])
  await cluster.load(images)
  await installDrydock(cluster)
  return new Bed(cluster, log)
}

async function measure({ names, ...options }: Call): Promise<ReadonlyMap<string, readonly Row[]>> {
  const results = new Map<string, readonly Row[]>()
  if (!names.some((name) => name in benchmarks)) return results
  const nodes: readonly NodeSpec[] = [
    { name: 'control-plane', kind: 'debian12', controlPlane: true },
    { name: 'worker-1', kind: 'debian12', controlPlane: false },
    { name: 'worker-2', kind: 'debian13', controlPlane: false },
  ]
  const bed = await standing(nodes, false)
  await bed.addDaemons()
  for (const name of names.filter((name) => name in benchmarks)) {
    log(`${name} ...`)
    results.set(name, await benchmarks[name]!(bed, options))
  }
  return results
}

async function move({ names, runs }: Call): Promise<ReadonlyMap<string, readonly Row[]>> {
  if (!names.includes('moves')) return new Map()
  log('moves ...')
  const settings = settingsFrom(process.env)
  await takeDown(settings, clusterName, () => undefined)
  const possible = await possibleMoves(settings)
  const bed = await standing(possible.nodes, true)
  return new Map([['moves', await measureMoves(bed, possible, runs)]])
}

function shown(results: ReadonlyMap<string, readonly Row[]>): string {
  const header = ['WHAT', 'OURS', 'YARDSTICK', 'RATIO', 'BAR', 'VERDICT', 'COMMAND', 'WHAT THE FIGURES ARE']
  const figure = (value: number | undefined, unit: string): string =>
    value === undefined ? '' : `${Number.isInteger(value) ? value : value.toPrecision(3)} ${unit}`.trim()
  const rows = [...results].flatMap(([name, all]) =>
    all.map((row) => [
      row.name,
      figure(row.ours, row.unit),
      figure(row.yardstick, row.unit),
      row.ratio?.toFixed(2) ?? '',
      row.ratio === undefined ? figure(row.bar, row.unit) : (row.bar?.toFixed(2) ?? ''),
      verdictOf(row),
      `npm run bench -- --only ${name}`,
      row.note,
    ]),
  )
  return table(header, rows)
}

async function main(): Promise<number> {
  const call = callOf(process.argv.slice(2))
  if (!call) {
    console.log(usage)
    return 0
  }
  const needsCluster = call.names.some((name) => !(name in simulated))
  const there = needsCluster && (await attach(clusterName).catch(() => undefined))
  if (there) throw new Error(`cluster ${clusterName} is somebody's: npm run cluster -- down --name ${clusterName}`)
  let ending: Promise<void> | undefined
  const down = () => {
    ending ??= takeDown(settingsFrom(process.env), clusterName, () => undefined)
    return ending
  }
  process.once('SIGINT', () => void down().finally(() => process.exit(130)))
  try {
    const load = loadavg()
    const results = new Map([...(await simulate(call)), ...(await measure(call)), ...(await move(call))])
    console.log(`\n${shown(results)}`)
    if (call.json)
      await writeFile(call.json, `${JSON.stringify({ load, results: Object.fromEntries(results) }, null, 2)}\n`)
    const over = [...results.values()].flat().filter((row) => verdictOf(row) === 'OVER')
    for (const { name } of over) console.log(`OVER: ${name}`)
    return over.length > 0 ? 1 : 0
  } finally {
    if (needsCluster) await down()
  }
}

main().then(
  (code) => process.exit(code),
  (error: Error) => {
    const usageMessage = wrongUsage(error)
    console.error(`drydock bench: ${usageMessage ?? error.message}`)
    process.exit(usageMessage === undefined ? 1 : 2)
  },
)
