/** Power, programs and pods that go in the middle of a change. */
import { apply, namespace } from '../../support/install.ts'
import { type Bed, profileOf, type Scenario, type Test, until } from './bed.ts'
import { podOf } from './pods.ts'

const spec = {
  cgroupDriver: 'systemd',
  handlers: [{ name: 'runc', default: true }, { name: 'crun' }],
} as const
const target = { cgroupDriver: spec.cgroupDriver, handlers: spec.handlers.map((handler) => ({ ...handler })) }

/** A pod of the default handler runs on the node, so it is in the one state or the other and not between. */
async function runsPods(t: Test, bed: Bed, node: string): Promise<void> {
  const { kubelet, engine } = await bed.drivers(node)
  t.equal(engine, kubelet === 'systemd' ? 'true' : 'false', `kubelet and engine agree on ${kubelet}`)
  const pod = `after-${node}`
  await apply(bed.cluster, podOf(pod, { nodeName: node }))
  await bed.kubectl('wait', '--for=condition=Ready', `pod/${pod}`, '--timeout=60s')
  await bed.kubectl('delete', 'pod', pod, '--grace-period=0', '--force')
}

const operators = (bed: Bed, replicas: number): Promise<unknown> =>
  bed.kubectl('scale', 'deployment/drydock-operator', `--namespace=${namespace}`, `--replicas=${replicas}`)

/** The power goes so many milliseconds after the switch was permitted, or after its proof. */
export const powerCut =
  (index: number, phase: 'Switching' | 'Proven', delay: number): Scenario =>
  async (t, bed) => {
    const node = bed.workers[index]!
    const name = `cut-${index}`
    await apply(bed.cluster, profileOf(name, [node], target))
    // The permit stays where it is until the end; the phases under it may pass between two looks.
    await until(`${node} to be permitted to switch`, async () =>
      (await bed.runtime(node)).spec?.permit === 'Switch' ? true : undefined,
    )
    if (phase === 'Proven') {
      // Without an operator nothing is committed, and the node stays Proven.
      await operators(bed, 0)
      await bed.phase(node, 'Proven')
    }
    await new Promise((resolve) => setTimeout(resolve, delay))
    await bed.cluster.kill(node)
    t.comment(`cut ${delay} ms after ${phase}: ${(await bed.runtime(node)).status?.phase}`)
    await bed.cluster.start(node)
    await bed.cluster.waitReady([node])
    await operators(bed, 1)
    const end = await bed.phase(node, 'Committed', 'RolledBack')
    await runsPods(t, bed, node)
    const { status } = await bed.runtime(node)
    t.match(status?.verification, { passed: true }, 'the state is proven')
    if (end === 'RolledBack') {
      t.match(await bed.stalled(name), /The node was rebooted before the change was proven/)
      t.equal((await bed.drivers(node)).kubelet, 'cgroupfs')
      await bed.kubectl('annotate', 'runtimeprofile', name, 'drydock.dev/retry=power-is-back')
    }
    await bed.ready(name)
    t.equal((await bed.drivers(node)).kubelet, 'systemd')
    const { spec } = await bed.node(node)
    t.notOk(spec.unschedulable, 'in service')
    t.comment(`${end} after the cut`)
    await bed.leave(name)
  }

/** On each node another part is lost, and all converge at the first try. */
export const lostParts: Scenario = async (t, bed) => {
  const name = 'lossy'
  await apply(bed.cluster, profileOf(name, bed.workers, target))
  const losses: readonly [what: string, lose: (node: string) => Promise<unknown>][] = [
    ['engine', (node) => bed.shell(node, 'systemctl kill --kill-whom=main --signal=KILL drydock-engine.service')],
    ['courier', (node) => deleted(bed, 'app.kubernetes.io/component=agent', `--field-selector=spec.nodeName=${node}`)],
    ['operator', () => deleted(bed, 'app.kubernetes.io/component=operator')],
  ]
  const left = new Set(bed.workers)
  for (const [what, lose] of losses) {
    const node = await until(`a node to lose its ${what}`, async () => {
      for (const one of left) if ((await bed.runtime(one)).spec?.permit === 'Switch') return one
      return undefined
    })
    left.delete(node)
    await lose(node)
    t.comment(`${node} lost its ${what}`)
  }
  await bed.ready(name, '240s')
  for (const node of bed.workers) await runsPods(t, bed, node)
  t.match((await bed.report(name)).status, { phase: 'Succeeded', changed: bed.workers.length, failed: 0 })
  await bed.leave(name)
}

const deleted = (bed: Bed, label: string, ...more: readonly string[]): Promise<string> =>
  bed.kubectl('delete', 'pod', '-n', namespace, '-l', label, ...more, '--grace-period=0', '--force')
