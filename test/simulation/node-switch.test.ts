import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'

interface Group {
  readonly name: string
  readonly runs?: number
  readonly problems: readonly string[]
  readonly again?: string
}

t.test('a node that is killed or loses power at any point ends in the old or the new state, proven', async (t) => {
  const program = join(import.meta.dirname, 'node-runs.ts')
  const { stdout } = await promisify(execFile)(process.execPath, [program])
  const groups = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Group)
  for (const { name, problems, runs, ...more } of groups) t.strictSame(problems, [], `${name}, ${runs} runs`, more)
  const total = groups.reduce((sum, { runs = 0 }) => sum + runs, 0)
  t.ok(total > 5000, `${total} runs`)
})
