/** `npm run test:sim`: Drydock under virtual time. */
import { fork } from 'node:child_process'
import process from 'node:process'
import { parseArgs } from 'node:util'
import { positive, UsageError, wrongUsage } from '../support/command-line.ts'
import { simplifyAborts } from './fleet/abort.ts'
import { type Invariant, invariants } from './fleet/invariants.ts'
import { mutants, type NamedMutant } from './fleet/mutants.ts'
import { type Script, scriptOf } from './fleet/script.ts'
import { partOf, shrink } from './fleet/shrink.ts'
import { type Result, run } from './fleet/world.ts'

const usage = `The whole of Drydock under virtual time: the real operator, couriers and node engines on a simulated cluster.

  npm run test:sim                          10,000 seeds
  npm run test:sim -- --seeds 500           fewer
  npm run test:sim -- --jobs 4              in so many processes (2)
  npm run test:sim -- --seed 42             one, with what happened
  npm run test:sim -- --seed 42 --keep 1,4  the same with these faults of its script only (none: with no fault)
  npm run test:sim -- --mutants             Drydock with one guard taken out at a time: each must be caught

Exit codes: 0 every invariant held, 1 one did not, 2 wrong usage.`

const lastEvents = 30
/** Seeds within which a mutant must be caught. */
const mutantSeeds = 1500

interface Part {
  readonly seeds: number
  readonly events: number
  readonly virtualMs: number
  readonly failed: readonly number[]
}

type Say = (line: string) => void

/** Nearly all that a run makes is garbage before the next: a larger nursery sees it die. */
const execArgv = ['--max-semi-space-size=32']

/** Errors of the product that are caught and thrown away by the thousand need no stack. */
Error.stackTraceLimit = 0
simplifyAborts()

async function runPart(first: number, last: number, step: number): Promise<Part> {
  const failed: number[] = []
  let [seeds, events, virtualMs] = [0, 0, 0]
  for (let seed = first; seed <= last; seed += step) {
    const result = await run(scriptOf(seed))
    seeds++
    events += result.events
    virtualMs += result.virtualMs
    if (result.violation) failed.push(seed)
  }
  return { seeds, events, virtualMs, failed }
}

/** Each job takes every so many-th seed, in a process of its own. */
function startPart(first: number, last: number, step: number): Promise<Part> {
  return new Promise((resolve, reject) => {
    const args = ['--part', `${first},${last},${step}`]
    const child = fork(import.meta.filename, args, { stdio: 'inherit', execArgv })
    child.once('message', (part) => resolve(part as Part))
    child.once('error', reject)
    child.once('exit', (code) => reject(new Error(`a job ended early with ${code}`)))
  })
}

async function runAll(seeds: number, jobs: number, say: Say): Promise<boolean> {
  const startedMs = performance.now()
  const parts = await Promise.all(Array.from({ length: jobs }, (_, index) => startPart(1 + index, seeds, jobs)))
  const seconds = (performance.now() - startedMs) / 1000
  const sum = (of: (part: Part) => number): number => parts.reduce((total, part) => total + of(part), 0)
  const failed = parts.flatMap((part) => part.failed).sort((a, b) => a - b)
  const days = sum(({ virtualMs }) => virtualMs) / 86_400_000
  say(
    `${sum((part) => part.seeds)} seeds, ${sum(({ events }) => events)} events, ${days.toFixed(1)} days of cluster time ` +
      `in ${seconds.toFixed(1)} s (${(seeds / seconds).toFixed(0)} seeds/s): ${failed.length} violations`,
  )
  const [seed] = failed
  if (seed === undefined) return true
  say(`failing seeds: ${failed.slice(0, 20).join(' ')}${failed.length > 20 ? ' ...' : ''}`)
  await explain(seed, say)
  return false
}

/** A failing seed: what broke, the smallest script that breaks it, the last events, and how to see it again. */
async function explain(seed: number, say: Say): Promise<void> {
  const script = scriptOf(seed)
  const result = await run(script)
  if (!result.violation) return say(`seed ${seed} fails no more: it is not deterministic`)
  say(`\nseed ${seed}: ${result.violation.invariant}: ${result.violation.message}`)
  const { kept, result: small } = await shrink(script, result)
  say(`\nsmallest script: ${kept.length} of ${script.faults.length} faults, ${script.nodes.length} nodes`)
  for (const index of kept) say(`  ${JSON.stringify(script.faults[index])}`)
  say(`\nlast events of it: ${small.violation?.message}`)
  printEvents(small, say)
  say(`\nagain: npm run test:sim -- --seed ${seed}`)
  say(`smallest: npm run test:sim -- --seed ${seed} --keep ${kept.join(',') || 'none'}`)
}

function printEvents({ trace }: Result, say: Say, count = lastEvents): void {
  for (const { atMs, who, what } of trace.slice(-count)) {
    say(`${(atMs / 1000).toFixed(2).padStart(9)} s  ${who.padEnd(16)} ${what()}`)
  }
}

async function runOne(seed: number, keep: string | undefined, say: Say): Promise<boolean> {
  const script = chosen(scriptOf(seed), keep)
  const result = await run(script)
  const { violation, events, virtualMs } = result
  printEvents(result, say, violation ? lastEvents : Number.POSITIVE_INFINITY)
  say(
    `\nseed ${seed}: ${script.nodes.length} nodes, ${script.faults.length} faults, ${events} events, ${virtualMs / 1000} s`,
  )
  if (!violation) {
    say('every invariant held')
    return true
  }
  say(`${violation.invariant}: ${violation.message}`)
  if (keep === undefined) await explain(seed, say)
  return false
}

function chosen(script: Script, keep: string | undefined): Script {
  if (keep === undefined) return script
  if (!/^(none|\d+(,\d+)*)$/.test(keep)) throw new UsageError(`--keep ${keep}: write numbers of faults, or none`)
  return partOf(script, keep === 'none' ? [] : keep.split(',').map(Number))
}

interface Caught {
  readonly mutant: string
  readonly seed: number
  readonly invariant: Invariant
}

/** Each mutant must be caught, and each invariant must catch one. */
async function runMutants(say: Say): Promise<boolean> {
  const caught: Caught[] = []
  for (const mutant of mutants) {
    const found = await caughtAt(mutant)
    if (found) caught.push(found)
    say(`${mutant.name.padEnd(52)}${found ? `caught by seed ${found.seed}` : `SURVIVES ${mutantSeeds} seeds`}`)
  }
  const names = Object.keys(invariants) as Invariant[]
  const silent = names.filter((name) => !caught.some(({ invariant }) => invariant === name))
  for (const name of names) {
    say(`\n${name}: ${invariants[name]}`)
    if (silent.includes(name)) say('  NOTHING BREAKS IT')
    for (const { mutant, seed } of caught.filter(({ invariant }) => invariant === name)) {
      say(`  ${mutant.padEnd(50)}seed ${seed}`)
    }
  }
  say(
    `\n${caught.length} of ${mutants.length} mutants caught, by ${names.length - silent.length} of ${names.length} invariants`,
  )
  return caught.length === mutants.length && silent.length === 0
}

async function caughtAt(mutant: NamedMutant): Promise<Caught | undefined> {
  for (let seed = 1; seed <= mutantSeeds; seed++) {
    const { violation } = await run(scriptOf(seed), mutant)
    if (violation && mutant.breaks.includes(violation.invariant)) {
      return { mutant: mutant.name, seed, invariant: violation.invariant }
    }
  }
  return undefined
}

async function main(): Promise<boolean> {
  const options = {
    seeds: { type: 'string', default: '10000' },
    seed: { type: 'string' },
    keep: { type: 'string' },
    jobs: { type: 'string', default: '2' },
    mutants: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
    /** Of the parent for its jobs: first, last, step. */
    part: { type: 'string' },
  } as const
  const { values } = parseArgs({ options })
  const say: Say = (line) => process.stdout.write(`${line}\n`)
  if (values.part !== undefined) {
    const [first = 1, last = 1, step = 1] = values.part.split(',').map(Number)
    process.send?.(await runPart(first, last, step))
    process.disconnect()
    return true
  }
  if (values.help) {
    say(usage)
    return true
  }
  if (values.mutants) return runMutants(say)
  if (values.seed !== undefined) return runOne(positive('--seed', values.seed), values.keep, say)
  return runAll(positive('--seeds', values.seeds), positive('--jobs', values.jobs), say)
}

main().then(
  (isGood) => {
    process.exitCode = isGood ? 0 : 1
  },
  (error: unknown) => {
    const usageMessage = wrongUsage(error)
    // The message alone: this process keeps no stacks.
    console.error(`npm run test:sim: ${usageMessage ?? error}`)
    process.exitCode = usageMessage === undefined ? 1 : 2
  },
)
