import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { type Row, verdictOf } from '../bench/bar.ts'

/** The fleet of the benchmark at a tenth of its size. In virtual time: the figures are the same on every computer. */
t.test('a rollout loses next to no time between its nodes', async (t) => {
  const program = join(import.meta.dirname, '../bench/convergence.ts')
  const { stdout } = await promisify(execFile)(process.execPath, [program, '--nodes', '100'])
  const rows = JSON.parse(stdout) as Row[]
  t.equal(rows.length, 6)
  for (const row of rows) t.equal(verdictOf(row), 'ok', `${row.name}: ${row.ratio ?? row.ours}; ${row.note}`)
})
