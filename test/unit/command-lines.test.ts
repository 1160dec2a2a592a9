import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import t from 'tap'
import { commandLineOf } from '../cluster/command-line.ts'
import { positive, wrongUsage } from '../support/command-line.ts'

const start = (entry: string, ...args: string[]) => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [entry, ...args], { encoding: 'utf8' })
  return { status, stdout, stderr }
}

t.test('the cluster’s name stands before or behind the command', async (t) => {
  const cases: [string, ReturnType<typeof commandLineOf>][] = [
    ['kubectl get nodes', { command: 'kubectl', name: 'drydock', rest: ['get', 'nodes'] }],
    ['--name demo kubectl get nodes', { command: 'kubectl', name: 'demo', rest: ['get', 'nodes'] }],
    ['--name=demo kubectl get nodes', { command: 'kubectl', name: 'demo', rest: ['get', 'nodes'] }],
    ['kubectl --name demo get nodes', { command: 'kubectl', name: 'demo', rest: ['get', 'nodes'] }],
    ['kubectl get pods --name x', { command: 'kubectl', name: 'drydock', rest: ['get', 'pods', '--name', 'x'] }],
    ['down --all --name demo', { command: 'down', name: 'demo', rest: ['--all'] }],
    ['exec a -- run --name x', { command: 'exec', name: 'drydock', rest: ['a', '--', 'run', '--name', 'x'] }],
    ['--name demo', { command: '--help', name: 'demo', rest: [] }],
    ['', { command: '--help', name: 'drydock', rest: [] }],
  ]
  for (const [line, wanted] of cases) t.same(commandLineOf(line.split(' ').filter(Boolean)), wanted, line)
  t.throws(() => commandLineOf(['--name']), { message: '--name CLUSTER' })
})

t.test('what README and demo tell people to type reaches the demo’s cluster', async (t) => {
  const text = ['README.md', 'test/demo/main.ts'].map((path) => readFileSync(path, 'utf8')).join('\n')
  const lines = [...text.matchAll(/npm run (?:-s )?cluster -- ([^';`\n]+)/g)].map(([, line = '']) => line.trim())
  t.ok(lines.length >= 5)
  for (const line of lines) {
    const { command, name } = commandLineOf(line.split(' '))
    t.match(command, /^(kubectl|down)$/, line)
    t.match(name, /^(demo|\$\{values\.name\})$/, line)
  }
})

t.test('wrong usage is one sentence and exit code 2', async (t) => {
  const cases: [string, ...string[]][] = [
    ['test/run.ts', '--nonsense'],
    ['test/demo/main.ts', '--nonsense'],
    ['test/bench/main.ts', '--nonsense'],
    ['test/cluster/main.ts', 'nothing'],
    ['test/simulation/main.ts', '--seeds', '0'],
    ['test/simulation/main.ts', '--seed', 'abc'],
    ['images/main.ts', '--nonsense'],
  ]
  for (const [entry, ...args] of cases) {
    const { status, stderr } = start(entry, ...args)
    t.equal(status, 2, `${entry} ${args.join(' ')}`)
    t.match(stderr, /^[^\n]+\n(npm run cluster -- --help says more\n)?$/)
  }
})

t.test('--help is printed', async (t) => {
  t.match(start('test/simulation/main.ts', '--help'), { status: 0, stdout: /--seed 42/ })
  t.match(start('images/main.ts', '--help'), { status: 0, stdout: /--arch/ })
})

t.test('a number is a whole one from 1', async (t) => {
  t.equal(positive('--n', '12'), 12)
  for (const text of ['', '0', '-1', '1.5', '1e3', 'abc', ' 1']) t.throws(() => positive('--n', text), text)
  t.equal(wrongUsage(new Error('another')), undefined)
})
