/**
 * `npm test`: every check and every suite in order, cheap ones first, and one closing line `N passed, N failed, N skipped`.
 * `--fast` leaves out what needs a cluster or an API server, and the simulations; `--only a,b` runs the named stages.
 */
import { spawn } from 'node:child_process'
import { existsSync, globSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { buildParts } from './cluster/cluster.ts'
import { staleFiles } from './generated.ts'
import { wrongUsage } from './support/command-line.ts'
import { type Verdicts, verdictsOf } from './verdicts.ts'

interface Count {
  readonly passed: number
  readonly failed: number
  readonly skipped: number
}

interface Result {
  readonly count: Count
  /** Absent: the stage is one check, and its output says it all. */
  readonly verdicts?: Verdicts
}

interface Stage {
  readonly name: string
  readonly needsCluster: boolean
  /** Takes so long that the quick round leaves it out, though it needs no cluster. */
  readonly slow?: boolean
  readonly run: () => Promise<Result>
}

const add = (a: Count, b: Count): Count => ({
  passed: a.passed + b.passed,
  failed: a.failed + b.failed,
  skipped: a.skipped + b.skipped,
})
const none: Count = { passed: 0, failed: 0, skipped: 0 }
const verdict = (ok: boolean): Result => ({ count: { ...none, passed: ok ? 1 : 0, failed: ok ? 0 : 1 } })

/** Runs a program, shows what it prints, and hands that back with the exit code. */
const show = (argv: readonly [string, ...string[]]): Promise<{ code: number; output: string }> =>
  new Promise((resolve, reject) => {
    const [program, ...args] = argv
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] })
    let output = ''
    child.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString()
      process.stdout.write(chunk)
    })
    child.on('error', reject)
    child.on('close', (code) => resolve({ code: code ?? 1, output }))
  })

const check =
  (...argv: [string, ...string[]]) =>
  async () =>
    verdict((await show(argv)).code === 0)

/** tap's closing line, such as `# { total: 5, pass: 3, fail: 1, skip: 1 }`. */
const tapCount = (output: string, code: number): Count => {
  const closing = output.match(/^# \{ (total: .*) \}$/m)?.[1] ?? ''
  const value = (key: string) => Number(closing.match(new RegExp(`${key}: (\\d+)`))?.[1] ?? 0)
  const failed = value('fail')
  return {
    passed: value('pass'),
    failed: code !== 0 && failed === 0 ? 1 : failed,
    skipped: value('skip') + value('todo'),
  }
}

const suite =
  (folder: string, ...options: string[]) =>
  async (): Promise<Result> => {
    const files = globSync(`test/${folder}/**/*.test.ts`).sort()
    if (files.length === 0) return { count: none }
    const { code, output } = await show(['tap', '--reporter=tap', ...options, ...files])
    return { count: tapCount(output, code), verdicts: verdictsOf(output) }
  }

const fresh = async () => {
  const stale = await staleFiles()
  for (const file of stale)
    console.error(`${file} is not what \`npm run generate\` writes: run it and commit the result`)
  return verdict(stale.length === 0)
}

/** Suites have time limits, and a cold machine builds Kubernetes for minutes: that comes before them. */
const testbed = async (): Promise<Result> => {
  await buildParts(['debian12', 'debian13', 'debian13-containerd2', 'debian12-bare', 'debian13-bare'], console.log)
  return { count: none }
}

const stages: readonly Stage[] = [
  { name: 'types', needsCluster: false, run: check('tsc', '--project', '.') },
  { name: 'lint', needsCluster: false, run: check('biome', 'ci', '--colors=off', '.') },
  {
    name: 'imports',
    needsCluster: false,
    run: check(
      'depcruise',
      '--output-type',
      'err',
      ...['crds', 'kube', 'operator', 'node-agent', 'charts', 'cli', 'images'].filter(existsSync),
    ),
  },
  { name: 'generated', needsCluster: false, run: fresh },
  { name: 'unit', needsCluster: false, run: suite('unit') },
  { name: 'property', needsCluster: false, run: suite('property') },
  { name: 'simulation', needsCluster: false, slow: true, run: suite('simulation', '--timeout=400') },
  { name: 'testbed', needsCluster: true, run: testbed },
  { name: 'contract', needsCluster: true, run: suite('contract') },
  { name: 'apiserver', needsCluster: true, run: suite('apiserver', '--jobs=1', '--timeout=1200') },
  { name: 'nodes', needsCluster: true, run: suite('nodes', '--jobs=1', '--timeout=2400') },
  { name: 'moves', needsCluster: true, run: suite('moves', '--jobs=1', '--timeout=2400') },
]

const refuse = (sentence: string): never => {
  console.error(`npm test: ${sentence}`)
  process.exit(2)
}

const call = () => {
  try {
    return parseArgs({
      options: { fast: { type: 'boolean', default: false }, only: { type: 'string' }, help: { type: 'boolean' } },
    })
  } catch (error) {
    return refuse(wrongUsage(error) ?? String(error))
  }
}

const { values } = call()
if (values.help) {
  console.log(`npm test [-- --fast | --only STAGE,...]\nstages: ${stages.map(({ name }) => name).join(', ')}`)
  process.exit(0)
}
const wanted = values.only?.split(',')
const unknown = wanted?.filter((name) => !stages.some((stage) => stage.name === name)) ?? []
if (unknown.length > 0) {
  refuse(`no stage ${unknown.join(', ')}; there are ${stages.map(({ name }) => name).join(', ')}`)
}
let total = none
const failed: string[] = []
const skipped: string[] = []
for (const stage of stages) {
  const isLeftOut = values.fast && (stage.needsCluster || stage.slow)
  if (wanted ? !wanted.includes(stage.name) : isLeftOut) continue
  const start = performance.now()
  console.log(`\n== ${stage.name}`)
  const { count, verdicts } = await stage.run()
  total = add(total, count)
  const told = (texts: readonly string[]) => texts.map((text) => `${stage.name}: ${text}`)
  skipped.push(...told(verdicts?.skipped ?? []))
  failed.push(...told(verdicts?.failed ?? []), ...(count.failed > 0 && !verdicts?.failed.length ? [stage.name] : []))
  const seconds = ((performance.now() - start) / 1000).toFixed(1)
  console.log(
    `== ${stage.name}: ${count.passed} passed, ${count.failed} failed, ${count.skipped} skipped in ${seconds} s`,
  )
}
if (skipped.length > 0) console.log(`\nSkipped:\n${skipped.join('\n')}`)
if (failed.length > 0) console.log(`\nFailed:\n${failed.join('\n')}`)
console.log(`\n${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`)
process.exit(total.failed === 0 && total.passed > 0 ? 0 : 1)
