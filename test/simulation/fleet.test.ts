import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { invariants } from './fleet/invariants.ts'
import { mutants } from './fleet/mutants.ts'

const seeds = process.env['DRYDOCK_SIMULATION_SEEDS'] ?? '500'
/** Seeds that found a defect once. */
const found = [
  ['21', 'a decision is written on what was planned with, not on what the watch brought since'],
  ['24', 'what is proven and was forgotten, for its Node was registered anew, goes back'],
  ['1896', 'a machine under the name of another does not act on the permit of the former'],
  ['1777', 'what was prepared for the Node of before does not refuse the switch of the new one'],
  ['4587', 'an answer of before a release does not pass for the answer to a later order'],
  ['3218', 'a node that drifts between its preparation and its turn is prepared anew'],
  ['4478', 'a rollout says that its gate is closed, not that the others wait for the canary'],
  ['674', 'what an engine remembers of a former Node is no answer to the first order of the new one'],
  ['9612', 'a turn that began under a cordon of a person ends when that person takes it away'],
  ['7271', 'a leader that was paused writes nothing once another may lead'],
  ['4002', 'what an engine repeats after a crash is no news'],
  ['2807', 'a release is answered at once, not with the next look at the files'],
] as const

const program = join(import.meta.dirname, 'main.ts')

/** A program of its own, because the test runner watches every promise, which makes thousands of runs slow. */
async function simulate(...args: readonly string[]): Promise<string> {
  const run = promisify(execFile)(process.execPath, [program, ...args], { maxBuffer: 2 ** 26 })
  const { stdout } = await run.catch((error: Error & { stdout: string }) => error)
  return stdout
}

t.test('the invariants hold in a simulated fleet, whatever goes wrong', async (t) => {
  const output = await simulate('--seeds', seeds, '--jobs', '1')
  t.match(output, /: 0 violations/, output)
})

t.test('what was found once stays mended', async (t) => {
  for (const [seed, sentence] of found) {
    t.match(await simulate('--seed', seed), /every invariant held/, `seed ${seed}: ${sentence}`)
  }
})

t.test('each invariant has a mutant that is to break it', async (t) => {
  const broken = new Set(mutants.flatMap(({ breaks }) => breaks))
  t.strictSame([...broken].toSorted(), Object.keys(invariants).toSorted())
})

t.test('the same seed is the same history', async (t) => {
  t.equal(await simulate('--seed', '7'), await simulate('--seed', '7'))
})
