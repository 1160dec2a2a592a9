/**
 * `npm run test:crash`: every engine exchange, cut off at every record of its journal by the loss of each part in turn. A
 * node must come to its new state or to its old one by itself, proven and in service, and leave nothing behind.
 */
import { parseArgs } from 'node:util'
import { table } from '../../cli/render/table.ts'
import { bringUp, lacking, type Settings, sentence, settingsFrom } from '../cluster/cluster.ts'
import { takeDown } from '../cluster/take-down.ts'
import { startDaemons } from '../moves/workload.ts'
import { Bed } from '../nodes/migration/bed.ts'
import { positive, UsageError, wrongUsage } from '../support/command-line.ts'
import { drydockImages, installDrydock } from '../support/install.ts'
import { type CrashMove, moves } from './moves.ts'
import { type Crash, type Outcome, Shuttle } from './rounds.ts'
import { spread, tally } from './tally.ts'
import { type Victim, victims } from './victims.ts'

const usage = `npm run test:crash [-- --only MOVE,...] [--victim NAME,...] [--every N] [--name CLUSTER] [--keep]

Brings up a cluster with workers for each exchange, makes each exchange there and back again and again, and kills one part
of the node when the n-th record appears in the journal of its engine: for every n, for every part.

  --only    these exchanges alone: ${moves.map(({ name }) => name).join(', ')}
  --victim  these parts alone: ${victims.join(', ')}
  --every   every N-th record instead of each
  --name    name of the cluster (crash)
  --keep    leave the cluster up

It begins with records from all over the journal and closes the gaps after that: Ctrl-C ends it after the crashes that are
under way, with the counts of what was made; a second one at once.

Exit codes: 0 nothing was stuck and nothing left behind, 1 something was, 2 wrong usage, 3 an exchange could not be made here,
130 it was ended before all was made.`

interface Call {
  readonly moves: readonly CrashMove[]
  readonly victims: readonly Victim[]
  readonly every: number
  readonly name: string
  readonly keep: boolean
}

const started = Date.now()
const log = (line: string) => console.log(`${((Date.now() - started) / 1000).toFixed(1).padStart(7)} s  ${line}`)

function chosen<T extends string>(wanted: string | undefined, all: readonly T[]): readonly T[] {
  if (wanted === undefined) return all
  const names = wanted.split(',')
  const unknown = names.filter((name) => !all.includes(name as T))
  if (unknown.length > 0) throw new UsageError(`there is no ${unknown.join(', ')}: write some of ${all.join(', ')}`)
  return all.filter((name) => names.includes(name))
}

/** Undefined when help was asked for. */
function callOf(args: string[]): Call | undefined {
  const { values } = parseArgs({
    args,
    options: {
      only: { type: 'string' },
      victim: { type: 'string' },
      every: { type: 'string', default: '1' },
      name: { type: 'string', default: 'crash' },
      keep: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) return undefined
  const names = chosen(
    values.only,
    moves.map(({ name }) => name),
  )
  return {
    moves: moves.filter(({ name }) => names.includes(name)),
    victims: chosen(values.victim, victims),
    every: positive('--every', values.every),
    name: values.name,
    keep: values.keep,
  }
}

function told({ direction, crash, at, isHit, end, leaks, faults, seconds }: Outcome): string {
  const fate = at === undefined ? 'ended before' : `${isHit ? 'lost' : 'did not run'} at ${at}`
  const what = crash ? `record ${crash.point}: ${crash.victim} ${fate}` : 'undisturbed'
  const wrong = [...leaks, ...faults].map((line) => `\n             ${line}`).join('')
  return `${direction}, ${what}; ${end} state in ${seconds.toFixed(0)} s${wrong}`
}

/** All crashes of one exchange, on each of its nodes one after the other. */
async function crashes(
  bed: Bed,
  move: CrashMove,
  { victims, every, enough }: Call & { readonly enough: AbortSignal },
): Promise<readonly Outcome[]> {
  const shuttles = move.nodes.map((node) => new Shuttle(bed, move, node))
  const records = await Promise.all(
    shuttles.map(async (shuttle) => ({ there: await shuttle.undisturbed(), back: await shuttle.undisturbed() })),
  )
  const { there, back } = records[0]!
  log(`${move.name}: ${there.length} records there (${there.join(', ')}), ${back.length} back`)
  const most = Math.max(there.length, back.length)
  const points = spread(Array.from({ length: Math.ceil(most / every) }, (_, index) => 1 + index * every))
  const left = points.flatMap((point) => victims.map((victim) => ({ victim, point }))).values()
  const outcomes = await Promise.all(shuttles.map((shuttle) => taken(shuttle, left, enough)))
  return outcomes.flat()
}

/** What one node takes of the crashes that are left. Stops at a node that is stuck: nothing after it would tell anything. */
async function taken(shuttle: Shuttle, left: Iterable<Crash>, enough: AbortSignal): Promise<readonly Outcome[]> {
  const outcomes: Outcome[] = []
  for (const crash of left) {
    outcomes.push(...(await thereAndBack(shuttle, crash)))
    if (enough.aborted || outcomes.at(-1)?.end === 'stuck') break
  }
  return outcomes
}

/** Cut off at the same record there, and back if it came there. The node is where it began, unless it is stuck. */
async function thereAndBack(shuttle: Shuttle, crash: Crash): Promise<readonly Outcome[]> {
  const outcomes: Outcome[] = []
  const change = async (crash?: Crash): Promise<Outcome['end']> => {
    const outcome = await shuttle.changed(crash)
    log(`${shuttle.node} ${told(outcome)}`)
    outcomes.push(outcome)
    return outcome.end
  }
  if ((await change(crash)) === 'new' && (await change(crash)) === 'old') await change()
  return outcomes
}

async function run(call: Call, possible: readonly CrashMove[], enough: AbortSignal): Promise<boolean> {
  const workers = possible.flatMap(({ nodes, kind, packages }) =>
    nodes.map((name) => ({ name, kind, packages, controlPlane: false })),
  )
  const nodes = [{ name: 'control-plane', kind: 'debian12', controlPlane: true } as const, ...workers]
  const [images, cluster] = await Promise.all([
    drydockImages(log),
    bringUp({ name: call.name, nodes, offers: true, log }),
  ])
  await cluster.load(images)
  await installDrydock(cluster)
  const bed = new Bed(cluster)
  await startDaemons(bed, bed.workers)
  const all = await Promise.all(
    possible.map(async (move) => ({ move: move.name, outcomes: await crashes(bed, move, { ...call, enough }) })),
  )
  const { header, rows, summary, isGood } = tally(all)
  console.log(`\n${table(header, rows)}\n\n${summary}`)
  return isGood
}

async function sorted(wanted: readonly CrashMove[], settings: Settings) {
  const lacks = await Promise.all(wanted.map(({ needs }) => lacking(settings, needs)))
  return {
    possible: wanted.filter((_, index) => lacks[index]!.length === 0),
    notShown: wanted.flatMap(({ name }, index) =>
      lacks[index]!.length > 0 ? [`${name} was not made: it needs ${sentence(lacks[index]!)}`] : [],
    ),
  }
}

async function main(): Promise<number> {
  const call = callOf(process.argv.slice(2))
  if (!call) {
    console.log(usage)
    return 0
  }
  const settings = settingsFrom(process.env)
  const { possible, notShown } = await sorted(call.moves, settings)
  const down = () => takeDown(settings, call.name, () => undefined)
  const enough = new AbortController()
  process.once('SIGINT', () => {
    process.once('SIGINT', () => void down().finally(() => process.exit(130)))
    log('ends after the crashes that are under way; Ctrl-C once more: at once')
    enough.abort()
  })
  try {
    const isGood = possible.length === 0 || (await run(call, possible, enough.signal))
    for (const line of notShown) console.log(line)
    if (!isGood) return 1
    if (enough.signal.aborted) return 130
    return notShown.length > 0 ? 3 : 0
  } finally {
    if (!call.keep) await down()
  }
}

main().then(
  (code) => process.exit(code),
  (error: Error) => {
    const usageMessage = wrongUsage(error)
    console.error(`crash harness: ${usageMessage ?? error.message}`)
    process.exit(usageMessage === undefined ? 1 : 2)
  },
)
