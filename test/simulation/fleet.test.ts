import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'

const seeds = process.env['DRYDOCK_SIMULATION_SEEDS'] ?? '500'
/** Seeds that found a defect once: of what is written under versions that were not planned with, and of Nodes registered anew. */
const found = ['169', '335', '341']

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
  for (const seed of found) {
    const output = await simulate('--seed', seed)
    t.match(output, /every invariant held/, `seed ${seed}`)
  }
})

t.test('the same seed is the same history', async (t) => {
  t.equal(await simulate('--seed', '7'), await simulate('--seed', '7'))
})
