/** The way that most nodes go: there under load, a little further, and back. */
import type { MigrationReport, RuntimeProfileSpec } from '../../../crds/types.gen.ts'
import { apply } from '../../support/install.ts'
import { type Bed, managedFiles, profileOf, type Scenario, type Test } from './bed.ts'
import { podOf, workload } from './pods.ts'

const name = 'workers'
/** Somebody else's handler, with what editors like to lose. */
const foreign = (section: string) => `
# -- added by the batch team, ticket 4711 --
  [plugins."${section}".containerd.runtimes.batch]   # do not remove
    runtime_type   = 'io.containerd.runc.v2'
    [plugins."${section}".containerd.runtimes.batch.options]
      BinaryName = "/usr/bin/crun"	# tab and trailing space 
`

const target: Partial<RuntimeProfileSpec> = {
  cgroupDriver: 'systemd',
  handlers: [
    { name: 'runc', default: true },
    { name: 'crun', runtimeClass: {} },
  ],
}
const originals = new Map<string, readonly string[]>()

const configOf = (bed: Bed, node: string) => bed.shell(node, 'cat /etc/containerd/config.toml')
const filesOf = (bed: Bed, node: string) => Promise.all(managedFiles.map((path) => bed.shell(node, `cat ${path}`)))

export const migrate: Scenario = async (t, bed) => {
  for (const node of bed.workers) {
    const section = (await configOf(bed, node)).includes('version = 3')
      ? 'io.containerd.cri.v1.runtime'
      : 'io.containerd.grpc.v1.cri'
    await bed.shell(node, `cat >> /etc/containerd/config.toml <<'END'${foreign(section)}END`)
    originals.set(node, await filesOf(bed, node))
  }
  await apply(bed.cluster, ...workload('shop', 3, 1, bed.workers))
  await bed.kubectl('rollout', 'status', 'deployment/shop', '--timeout=60s')
  await bed.kubectl('wait', '--for=jsonpath={.status.phase}=Observed', 'noderuntimes', '--all', '--timeout=60s')
  const before = bed.mark()
  await apply(bed.cluster, profileOf(name, bed.workers, target))
  await bed.ready(name, '240s')
  const report = await bed.report(name)
  checkReport(t, report, bed.workers)
  for (const node of bed.workers) await checkNode(t, bed, node)
  t.match(JSON.parse(await bed.kubectl('get', 'runtimeclass', 'crun', '-o', 'json')), {
    handler: 'crun',
    scheduling: { nodeSelector: { 'handler.drydock.dev/crun': String } },
  })
  const writes = await bed.writes(before)
  const perNode = writes.length / bed.workers.length
  t.ok(perNode <= 18, `${perNode.toFixed(1)} writes a changed node, at most 18`)
  t.comment(writes.map(({ verb, user, resource, name }) => `${verb} ${resource} ${name} ${user}`).join('\n'))
}

function checkReport(t: Test, { status }: MigrationReport, workers: readonly string[]): void {
  t.match(status, { phase: 'Succeeded', changed: workers.length, failed: 0 })
  for (const node of status?.nodes ?? []) {
    t.match(node, {
      result: 'Changed',
      action: 'DrainRestart',
      before: { cgroupDriver: 'cgroupfs', kubeletCgroupDriver: 'cgroupfs' },
      after: { cgroupDriver: 'systemd', kubeletCgroupDriver: 'systemd', handlers: /runc\*/ },
      verification: { passed: true },
      drainMilliseconds: Number,
      kubeletDownMilliseconds: Number,
    })
    const proven = node.verification?.handlers ?? []
    t.same(
      proven.map(({ name, passed }) => `${name} ${passed}`).sort(),
      ['crun true', 'runc true'],
      `${node.name}: proof`,
    )
    t.ok(
      proven.every(({ calls }) => (calls?.length ?? 0) > 8),
      `${node.name}: every call of the proof is listed`,
    )
    t.ok(
      node.steps?.some(({ name }) => name === 'prove'),
      `${node.name}: steps are listed`,
    )
    t.match(
      node.changes?.find(({ path }) => path.endsWith('.toml'))?.diff,
      /^\+.*crun/m,
      `${node.name}: the diff shows crun`,
    )
  }
  t.same(status?.nodes?.map(({ name }) => name).sort(), workers)
}

async function checkNode(t: Test, bed: Bed, node: string): Promise<void> {
  t.same(await bed.drivers(node), { kubelet: 'systemd', engine: 'true' }, `${node}: drivers in the files`)
  const lost = lostLines(originals.get(node)![0]!, await configOf(bed, node))
  t.same(lost, [], `${node}: what others wrote into config.toml is there as they wrote it`)
  const pod = `crun-on-${node}`
  await apply(bed.cluster, podOf(pod, { nodeName: node, runtimeClassName: 'crun' }))
  await bed.kubectl('wait', '--for=condition=Ready', `pod/${pod}`, '--timeout=60s')
  const id = await bed.kubectl('get', 'pod', pod, '-o', 'jsonpath={.status.containerStatuses[0].containerID}')
  const status = await bed.shell(node, `cat /run/containerd/runc/k8s.io/${id.split('//')[1]}/status`)
  const { pid } = JSON.parse(status) as { pid: number }
  const cgroups = await bed.shell(node, `cat /proc/${pid}/cgroup`)
  t.match(
    cgroups,
    /kubepods-besteffort-pod\w+\.slice\/cri-containerd-/,
    `${node}: a live pod of crun is in a systemd slice`,
  )
  await bed.kubectl('delete', 'pod', pod, '--grace-period=0', '--force')
  const { spec, metadata } = await bed.node(node)
  t.notOk(spec.unschedulable, `${node}: in service`)
  t.match(metadata.labels, { 'handler.drydock.dev/crun': String, 'handler.drydock.dev/runc': String })
  t.same(ownMarks(metadata.annotations), [], `${node}: no annotation is left`)
}

const ownMarks = (keys: Readonly<Record<string, string>>): string[] =>
  Object.keys(keys).filter((key) => key.includes('drydock'))

/** Lines of `before` that are not in `after` in the same order; those that only say the driver may differ in it. */
function lostLines(before: string, after: string): string[] {
  const rest = after.split('\n').map(withoutDriver)
  return before.split('\n').filter((line) => {
    const at = rest.indexOf(withoutDriver(line))
    rest.splice(0, at + 1)
    return at < 0
  })
}

const withoutDriver = (line: string): string => line.replace(/(SystemdCgroup = )(true|false)/, '$1')

/** A converged cluster costs nothing. */
export const quiet: Scenario = async (t, bed) => {
  const before = bed.mark()
  await new Promise((resolve) => setTimeout(resolve, 60_000))
  t.same(await bed.writes(before), [], 'nothing is written for a minute')
}

/** One more handler disturbs no pod. */
export const restart: Scenario = async (t, bed) => {
  const [node] = bed.workers
  const before = await pods(bed, node!)
  t.ok(before.length > 1, 'there are pods to disturb')
  const log = bed.mark()
  const handlers = [
    ...(target.handlers ?? []),
    { name: 'crun-plain', type: 'crun' as const, options: { noNewKeyring: true } },
  ]
  await apply(bed.cluster, profileOf(name, bed.workers, { ...target, handlers }))
  const { metadata } = await bed.profile(name)
  await bed.kubectl(
    'wait',
    `--for=jsonpath={.status.observedGeneration}=${metadata['generation']}`,
    `runtimeprofile/${name}`,
  )
  await bed.ready(name)
  const report = await bed.report(name)
  t.match(report.status, { phase: 'Succeeded', changed: bed.workers.length })
  for (const entry of report.status?.nodes ?? []) t.match(entry, { result: 'Changed', action: 'Restart' }, entry.name)
  t.same(await pods(bed, node!), before, 'the same pods run, none was restarted')
  const patches = (await bed.writes(log)).filter(({ resource, name }) => resource === 'nodes' && name === node)
  t.equal(patches.length, 1, 'the Node is written once, for its label: it was not cordoned')
  t.match(JSON.stringify((await bed.node(node!)).metadata.labels), /handler.drydock.dev\/crun-plain/)
}

interface Pod {
  metadata: { name: string; uid: string }
  status: { phase: string; containerStatuses: { restartCount: number; containerID: string }[] }
}

async function pods(bed: Bed, node: string): Promise<readonly string[]> {
  const all = await bed.list<Pod>('pods', '-A', `--field-selector=spec.nodeName=${node}`)
  return all
    .map(({ metadata, status }) => {
      const containers = status.containerStatuses.map(
        ({ restartCount, containerID }) => `${restartCount} ${containerID}`,
      )
      return `${metadata.name} ${metadata.uid} ${status.phase} ${containers}`
    })
    .sort()
}

/** Removing the profile leaves no trace. */
export const restore: Scenario = async (t, bed) => {
  await bed.leave(name)
  for (const node of bed.workers) {
    t.same(await filesOf(bed, node), originals.get(node), `${node}: every file is what it was, byte for byte`)
    const { metadata, spec } = await bed.node(node)
    t.same([...ownMarks(metadata.labels), ...ownMarks(metadata.annotations)], [], `${node}: no label, no annotation`)
    t.notOk(spec.unschedulable, `${node}: in service`)
    t.same(await bed.drivers(node), { kubelet: 'cgroupfs', engine: 'false' }, `${node}: drivers`)
  }
  t.same(await bed.list('runtimeclasses'), [], 'no RuntimeClass')
  t.match((await bed.report(name)).spec.revision, 'original')
  await bed.cluster.waitReady()
  await bed.kubectl('rollout', 'status', 'deployment/shop', '--timeout=60s')
}
