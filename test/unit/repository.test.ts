import { readFileSync } from 'node:fs'
import t from 'tap'
import { commands } from '../../hack/commands.ts'

const read = (path: string) => readFileSync(path, 'utf8')
const { scripts, version, dependencies, devDependencies, optionalDependencies } = JSON.parse(read('package.json'))

t.test('npm run help lists every command, and no other', async (t) => {
  t.same(Object.keys(commands).sort(), Object.keys(scripts).sort())
})

t.test('the chart has the version of the package', async (t) => {
  const chart = read('charts/drydock/Chart.yaml')
  t.match(chart, new RegExp(`^version: ${version}$`, 'm'))
  t.match(chart, new RegExp(`^appVersion: "?${version}"?$`, 'm'))
})

t.test('every dependency is pinned exactly, and its reason is told', async (t) => {
  const reasons = read('docs/dependencies.md')
  for (const [name, wanted] of Object.entries({ ...dependencies, ...devDependencies, ...optionalDependencies })) {
    t.match(wanted as string, /^\d+\.\d+\.\d+$/, `${name} is pinned`)
    t.ok(reasons.includes(`\`${name}\``) || name.startsWith('@types/'), `${name} has a reason`)
  }
})

t.test('the lock file carries no download addresses', async (t) => {
  t.notOk(read('package-lock.json').includes('"resolved"'))
})
