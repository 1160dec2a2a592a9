/**
 * Drydock on real nodes: containerd 1.6, 1.7 and 2.3 under one control plane, taken to a target and back, broken on
 * purpose, cut off from power, and left. Each scenario leaves the nodes as it found them.
 */
import t from 'tap'
import { bringUp, type NodeSpec, settingsFrom } from '../cluster/cluster.ts'
import { takeDown } from '../cluster/take-down.ts'
import { drydockImages, installDrydock } from '../support/install.ts'
import { Bed, play, type Scenario } from './migration/bed.ts'
import * as broken from './migration/broken.ts'
import * as faults from './migration/faults.ts'
import * as migrate from './migration/migrate.ts'
import { dependentNetwork } from './migration/network.ts'
import * as people from './migration/people.ts'

const name = 'nodes'
const nodes: readonly NodeSpec[] = [
  { name: 'control-plane', kind: 'debian12', controlPlane: true },
  { name: 'worker-1', kind: 'debian12', controlPlane: false },
  { name: 'worker-2', kind: 'debian13', controlPlane: false },
  { name: 'worker-3', kind: 'debian13-containerd2', controlPlane: false },
]

/** In this order: each of the first four goes on from the one before it. */
const scenarios: readonly [what: string, scenario: Scenario][] = [
  ['workers go from cgroupfs to systemd and get crun, under a workload with a PDB', migrate.migrate],
  ['one more handler disturbs no pod', migrate.restart],
  ['a converged cluster is written to by nobody', migrate.quiet],
  ['deleting the profile brings every file back, byte for byte', migrate.restore],
  ['a handler whose binary is missing is refused', broken.missingBinary],
  ['a full disk under /etc is refused', broken.fullDisk],
  ['an import with only an extra handler is refused', broken.onlyExtraHandlerImported],
  ['a runtime that only says its version fails the proof and is rolled back', broken.brokenRuntime],
  ['a kubelet that fails to start is rolled back', broken.kubeletFails],
  ['a kubelet that never returns is rolled back at the deadline', broken.kubeletHangs],
  ['of two profiles that select one node neither acts', people.twoProfiles],
  ['a PDB that allows nothing is named before the cordon, and the node goes on when it opens', people.closedBudget],
  ['the cordon of a person stays', people.cordonOfSomebody],
  ['a network that needs the API server and an agent of its own is left out of the proof', dependentNetwork],
  ['engine, courier and operator are lost in the middle', faults.lostParts],
  ['the power goes as the switch begins', faults.powerCut(0, 'Switching', 0)],
  ['the power goes while files change', faults.powerCut(1, 'Switching', 700)],
  ['the power goes during the proof', faults.powerCut(2, 'Switching', 1500)],
  ['the power goes before the commit', faults.powerCut(0, 'Proven', 0)],
  ['a config with only an extra handler is repaired, and never put back', broken.onlyExtraHandler],
  ['helm uninstall refuses while there is a profile, and leaves nothing after', people.uninstall],
]

t.setTimeout(2_400_000)

t.test('real nodes', { skip: process.getuid?.() !== 0 && 'machines need root' }, async (t) => {
  const down = () => takeDown(settingsFrom(process.env), name, () => undefined)
  await down()
  t.teardown(down)
  const [images, cluster] = await Promise.all([
    drydockImages(),
    bringUp({ name, nodes, log: (line) => t.comment(line) }),
  ])
  await cluster.load(images)
  await installDrydock(cluster)
  const bed = new Bed(cluster)
  for (const [what, scenario] of scenarios) await play(t as typeof import('tap').default, bed, what, scenario)
})
