/**
 * Every exchange and upgrade of an engine on real nodes, there and back, under a Deployment, a DaemonSet and static pods;
 * and the sources that are refused before anything is touched. Moves whose engines no package has are skipped without them.
 */
import t from 'tap'
import { bringUp, settingsFrom } from '../cluster/cluster.ts'
import { takeDown } from '../cluster/take-down.ts'
import { Bed, play } from '../nodes/migration/bed.ts'
import { drydockImages, installDrydock } from '../support/install.ts'
import { move } from './move.ts'
import { refusals } from './refusals.ts'
import { lackOf, nodesOf, rows } from './table.ts'
import { startWorkload } from './workload.ts'

const name = 'moves'

t.setTimeout(2_400_000)

t.test('moves', { skip: process.getuid?.() !== 0 && 'machines need root' }, async (t) => {
  const settings = settingsFrom(process.env)
  const lacks = await Promise.all(rows.map((row) => lackOf(row, settings)))
  const nodes = nodesOf(rows.filter((_, index) => lacks[index] === undefined))
  const down = () => takeDown(settings, name, () => undefined)
  await down()
  t.teardown(down)
  const [images, cluster] = await Promise.all([
    drydockImages(),
    bringUp({ name, nodes, offers: true, log: (line) => t.comment(line) }),
  ])
  await cluster.load(images)
  await installDrydock(cluster)
  const bed = new Bed(cluster)
  await startWorkload(
    bed,
    nodes.map(({ name }) => name),
  )
  const test = t as typeof import('tap').default
  for (const [what, scenario] of refusals) await play(test, bed, what, scenario)
  for (const [index, row] of rows.entries()) {
    const lack = lacks[index]
    if (lack) await t.test(row.what, { skip: lack }, async () => undefined)
    else await play(test, bed, row.what, move(row))
  }
})
