/**
 * The real engine on a simulated node, killed or cut off from power at every point. A program of its own, because the
 * test runner watches every promise, which makes thousands of runs slow.
 *
 * Without an argument it runs everything and prints one JSON line a group. With one it runs that run again and prints its
 * trace, as a failure says:
 *   node run.mjs test/simulation/node-runs.ts \
 *     '{"story":"commit","move":"exchange","fault":"none","crashes":[{"at":40,"kind":"power"}],"seed":7}'
 */
import { dirname } from 'node:path'
import type { Order } from '../../node-agent/journal/records.ts'
import type { Random } from './node-disk.ts'
import { linkOf, type MoveName, moves, planted, plantedFolders, type UnitName } from './node-moves.ts'
import { type Crash, type Fault, stateFolder, World } from './node-world.ts'

/** What the operator wants, and whether the courier is there to say it. */
type Story = 'commit' | 'rollback' | 'courier gone' | 'superseded'

interface Run {
  readonly story: Story
  readonly move: MoveName
  readonly fault: Fault
  readonly crashes: readonly Crash[]
  readonly seed: number
}

interface Outcome {
  readonly problems: string[]
  readonly operations: number
  readonly answers: readonly string[]
  readonly trace: readonly string[]
}

function generator(seed: number): Random {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296
  }
}

const base = { attempt: 1, fence: 1, nodeUID: 'uid', image: 'agent', timeoutSeconds: 20, courierTimeoutSeconds: 30 }
const target = { engine: { name: 'containerd' } } as const
const ended = ['Committed', 'RolledBack', 'Refused', 'Failed']

/** Operator and courier: they see answers and write orders, and are told of nothing else. */
class Operator {
  order: Order = { ...base, revision: 'r1', target, permit: 'Prepare' }
  done = false
  readonly answers: string[] = []
  readonly #story: Story
  #told: unknown

  constructor(story: Story) {
    this.#story = story
  }

  get isHeard(): boolean {
    return this.#story !== 'courier gone' || this.order.permit === 'Prepare'
  }

  async look(world: World): Promise<void> {
    if (!this.isHeard || this.done) return
    await world.demandEngine()
    await world.settle()
    const { engine } = world
    if (!engine) return
    engine.requested()
    if (this.#told !== engine) engine.put(this.order)
    this.#told = engine
    const { revision, permit } = this.order
    this.#answer(world)
    if (this.order.revision !== revision || this.order.permit !== permit) engine.put(this.order)
  }

  #answer({ answer }: World): void {
    const { revision } = this.order
    if (answer?.phase === undefined || answer.revision !== revision) return
    const seen = `${revision} ${answer.phase}`
    if (this.answers.at(-1) !== seen) this.answers.push(seen)
    const next = this.#next(seen)
    this.order = { ...this.order, ...next }
    this.done = seen === 'r2 Prepared' || (ended.includes(answer.phase) && seen !== 'r1 Committed')
  }

  #next(seen: string): Partial<Order> {
    const [, phase] = seen.split(' ')
    if (seen === 'r1 Committed') return { revision: 'original', target: undefined, permit: 'Prepare' } as object
    if (phase === 'Prepared' && seen !== 'r2 Prepared') return { permit: 'Switch' }
    if (seen === 'r1 Switching' && this.#story === 'superseded') return { revision: 'r2', permit: 'Prepare' }
    if (phase === 'Proven') return { permit: this.#story === 'rollback' ? 'Rollback' : 'Commit' }
    return {}
  }
}

const limitMs = 3_600_000

async function simulate(run: Run): Promise<Outcome> {
  const world = new World({ ...run, move: moves[run.move], random: generator(run.seed) })
  const operator = new Operator(run.story)
  const poll = (): void => {
    world.after(500, () => {
      void operator.look(world)
      poll()
    })
  }
  poll()
  const isOver = (): boolean =>
    (operator.done || !operator.isHeard) && !world.journalOpen && world.engine?.idle !== false
  for (let quiet = 0; quiet < 20 && world.advance(limitMs); quiet = isOver() ? quiet + 1 : 0) {
    if (run.fault === 'disk is full' && world.answer?.phase === 'Switching') world.fillDisk()
    await world.settle()
  }
  // What has ended must have ended for good: nothing of it may still wait for an fsync.
  await world.cutPower()
  return {
    problems: [...world.violations, ...problems(world, operator, run)],
    operations: world.operations,
    answers: operator.answers,
    trace: world.trace,
  }
}

function expected({ answers }: Operator, { move }: Run): 'old' | 'new' {
  if (moves[move].turns.length === 0) return 'old'
  const last = answers.findLast((answer) => ended.some((phase) => answer.endsWith(phase)))
  return last === 'r1 Committed' || last === 'original RolledBack' || last === 'original Refused' ? 'new' : 'old'
}

/** Byte for byte what was there, or what the move makes of it. */
function litterOf(world: World, wanted: 'old' | 'new'): readonly string[] {
  const files = new Map(planted(world.move))
  for (const { path, to } of wanted === 'new' ? world.move.turns : []) {
    if (to === undefined) files.delete(path)
    else files.set(path, to)
  }
  const above = (path: string): string[] => (path === '/' ? [] : [dirname(path), ...above(dirname(path))])
  const folders = new Set(
    [...files.keys(), ...plantedFolders.map((path) => `${path}/x`), `${stateFolder}/backup/x`].flatMap(above),
  )
  const isLink = (path: string): boolean => path.startsWith(linkOf('' as UnitName))
  const paths = new Set([...files.keys(), ...world.disk.paths])
  const litter = [...paths].filter((path) => {
    if (path.startsWith(stateFolder)) return path.endsWith('.tar')
    return !isLink(path) && world.disk.peek(path)?.toString() !== files.get(path)
  })
  return [...litter, ...world.disk.folders.filter((folder) => !folders.has(folder))]
}

function problems(world: World, operator: Operator, run: Run): readonly string[] {
  const found: string[] = []
  const must = (holds: boolean, sentence: string): void => {
    if (!holds) found.push(sentence)
  }
  must(world.nowMs < limitMs, 'it did not come to an end')
  must(!world.journalOpen, 'the journal is still open')
  must(!operator.answers.some((answer) => answer.endsWith('Failed')), 'it ended in Failed')
  const refused = operator.answers.some((answer) => answer.endsWith('Refused'))
  must(!refused || run.fault === 'disk is full', 'it was refused')
  const wanted = run.story === 'courier gone' ? 'old' : expected(operator, run)
  must(world.content() === wanted, `files are ${world.content()}, not ${wanted}`)
  const { kubelet } = world.units
  const engine = world.units[world.serving]
  const isGone = world.move.from.name === 'none' && wanted === 'old'
  must(isGone || (engine.active && (kubelet.active || world.move.hasNoKubelet === true)), 'a unit does not run')
  const loaded = [
    ...(!isGone && world.move.turns.some(({ unit }) => unit === world.serving) ? [engine.loaded] : []),
    ...(world.move.turns.some(({ unit }) => unit === 'kubelet') ? [kubelet.loaded] : []),
  ]
  must(
    loaded.every((each) => each === wanted),
    `units run with ${loaded.join(' and ')}`,
  )
  const litter = litterOf(world, wanted)
  must(litter.length === 0, `these are not as they were or should be: ${litter.join(', ')}`)
  found.push(...world.unitFaults())
  return found
}

const stories: readonly Story[] = ['commit', 'rollback', 'courier gone', 'superseded']
const moveNames = Object.keys(moves) as readonly MoveName[]
const kinds = ['kill', 'power'] as const
const faults: readonly Fault[] = [
  'engine does not start',
  'CRI does not answer',
  'proof fails',
  'engine flaps',
  'kubelet does not start',
  'kubelet is never healthy',
  'disk is full',
]
/** Of the moves that have them. */
const ownFaults: readonly (readonly [MoveName, Fault])[] = [
  ['package', 'packages do not install'],
  ['keep', 'packages do not install'],
  ['exchange', 'images do not import'],
  ['helper', 'engine does not start'],
  ['bare', 'engine does not start'],
  ['bare', 'proof fails'],
]

/** Runs until one goes wrong. */
async function group(name: string, runs: readonly Run[], ends?: string): Promise<void> {
  for (const run of runs) {
    const { answers, problems } = await simulate(run)
    const end = answers.at(-1)
    if (ends !== undefined && end !== ends) problems.push(`it ended in ${end}, not in ${ends}`)
    if (problems.length === 0) continue
    console.log(JSON.stringify({ name, problems, answers, again: again(run) }))
    return
  }
  console.log(JSON.stringify({ name, runs: runs.length, problems: [] }))
}

const again = (run: Run): string => `node run.mjs test/simulation/node-runs.ts '${JSON.stringify(run)}'`

type Density = 'both ways' | 'alternately' | 'every other point'

/** At every point of a run it is killed, or its power is cut, or both; the last density takes half of the points. */
async function crashingEverywhere(plain: Omit<Run, 'crashes' | 'seed'>, density: Density): Promise<readonly Run[]> {
  const { operations } = await simulate({ ...plain, crashes: [], seed: 1 })
  const step = density === 'every other point' ? 2 : 1
  const points = Array.from({ length: Math.ceil(operations / step) }, (_, index) => index)
  return points.flatMap((point) => {
    const at = 1 + point * step
    const chosen = density === 'both ways' ? kinds : [kinds[point % 2]!]
    return chosen.map((kind) => ({ ...plain, crashes: [{ at, kind }], seed: at }))
  })
}

/** Between them they have every step. */
const thorough: readonly MoveName[] = ['settings', 'exchange']

/** Without a crash it is known how each ends. */
async function plain(): Promise<void> {
  const ends: Record<Story, string> = {
    commit: 'original Committed',
    rollback: 'r1 RolledBack',
    'courier gone': 'r1 Switching',
    superseded: 'r2 Prepared',
  }
  for (const story of stories) {
    const runs = moveNames.map((move): Run => ({ story, move, fault: 'none', crashes: [], seed: 1 }))
    await group(`no crash: ${story}`, runs, ends[story])
  }
  for (const move of ['settings', 'exchange'] as const) {
    const runs = faults.map((fault): Run => ({ story: 'commit', move, fault, crashes: [], seed: 1 }))
    await group(`no crash, ${move}: faults`, runs, 'r1 RolledBack')
  }
  const runs = ownFaults.map(([move, fault]): Run => ({ story: 'commit', move, fault, crashes: [], seed: 1 }))
  await group('no crash: faults of some moves', runs, 'r1 RolledBack')
}

function severalCrashes(count: number): readonly Run[] {
  const random = generator(2026)
  const pick = <T>(values: readonly T[]): T => values[Math.floor(random() * values.length)]!
  return Array.from({ length: count }, (_, seed): Run => {
    const ats = Array.from({ length: 2 + Math.floor(random() * 3) }, () => 1 + Math.floor(random() * 400))
    const crashes = ats.sort((a, b) => a - b).map((at) => ({ at, kind: pick(kinds) }))
    return { story: pick(stories), move: pick(moveNames), fault: pick(['none', ...faults] as const), crashes, seed }
  })
}

async function main(): Promise<void> {
  const single = process.argv[2]
  if (single !== undefined) {
    console.dir(await simulate(JSON.parse(single) as Run), { maxArrayLength: 1000 })
    return
  }
  await plain()
  for (const move of moveNames) {
    for (const story of stories) {
      const density = story !== 'commit' ? 'every other point' : thorough.includes(move) ? 'both ways' : 'alternately'
      const runs = await crashingEverywhere({ story, move, fault: 'none' }, density)
      await group(`crashes, ${move}: ${story}`, runs)
    }
  }
  for (const fault of faults) {
    const runs = await crashingEverywhere({ story: 'commit', move: 'exchange', fault }, 'every other point')
    await group(`crashes: ${fault}`, runs)
  }
  for (const [move, fault] of ownFaults) {
    await group(
      `crashes, ${move}: ${fault}`,
      await crashingEverywhere({ story: 'commit', move, fault }, 'every other point'),
    )
  }
  await group('several crashes', severalCrashes(1000))
}

await main()
