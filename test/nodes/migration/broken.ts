/** Nodes that are broken on purpose: refused before anything is disrupted, or brought back, and the reason is one that a person can act on. */
import type { RuntimeProfileSpec } from '../../../crds/types.gen.ts'
import { apply } from '../../support/install.ts'
import { type Bed, type NodeState, profileOf, type Scenario, type Test, until } from './bed.ts'

const runc = { name: 'runc', default: true } as const
const config = '/etc/containerd/config.toml'

/** Only a handler of its own, in a file of version 2: with it containerd 1.x starts, and its CRI plugin does not load. */
const onlyExtra = `  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.extra]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.extra.options]
      BinaryName = "/usr/bin/crun"
`

interface Attempt {
  readonly node: string
  readonly spec: Partial<RuntimeProfileSpec>
  /** What the sentence must say. */
  readonly says: RegExp
}

/** Applies a profile that cannot come true on the node; checks that everybody says so in the same words. */
async function fails(
  t: Test,
  bed: Bed,
  result: 'Refused' | 'RolledBack',
  { node, spec, says }: Attempt,
): Promise<void> {
  const name = `broken-${node}`
  await apply(bed.cluster, profileOf(name, [node], { verify: { timeout: '30s' }, ...spec }))
  const message = await bed.stalled(name)
  const { status } = await bed.runtime(node)
  t.equal(status?.phase, result)
  t.match(status?.message, says, 'the NodeRuntime says why')
  t.match(message, says, 'the profile says why')
  t.match(message, node, 'and on which node')
  const report = await bed.report(name)
  t.match(report.status, { phase: 'Failed', failed: 1, changed: 0 })
  t.match(report.status?.nodes, [{ name: node, result, message: says }], 'the report says why')
  t.comment(message)
}

/** The node is refused: not a file, not a unit, not the Node is touched. */
export async function refused(t: Test, bed: Bed, attempt: Attempt): Promise<void> {
  const { node } = attempt
  const [before, log] = [await bed.state(node), bed.mark()]
  await fails(t, bed, 'Refused', attempt)
  await bed.leave(`broken-${node}`)
  t.same(await bed.state(node), before, 'no file was changed, no unit restarted')
  const touched = (await bed.writes(log)).filter(({ resource, name }) => resource === 'nodes' && name === node)
  t.same(touched, [], 'the Node was never cordoned')
}

/** The node is changed and comes back to what it was, proven and in service. */
async function rolledBack(t: Test, bed: Bed, attempt: Attempt): Promise<void> {
  const { node } = attempt
  const before = await bed.state(node)
  await fails(t, bed, 'RolledBack', attempt)
  await backInService(t, bed, node, before)
  await bed.leave(`broken-${node}`)
  t.equal((await bed.state(node)).files, before.files)
}

export async function backInService(t: Test, bed: Bed, node: string, before: NodeState): Promise<void> {
  t.equal((await bed.state(node)).files, before.files, 'its files are what they were')
  const { status } = await bed.runtime(node)
  t.match(status?.verification, { passed: true }, 'its former state is proven')
  await until(`${node} in service`, async () => ((await bed.node(node)).spec.unschedulable ? undefined : true), 10_000)
  await bed.cluster.waitReady([node])
}

export const missingBinary: Scenario = (t, bed) =>
  refused(t, bed, {
    node: bed.workers[0]!,
    spec: { handlers: [runc, { name: 'ghost', type: 'crun', binary: '/opt/ghost/crun' }] },
    says: /handler "ghost": \/opt\/ghost\/crun does not exist or is not executable.*install it.*profile/,
  })

/** The node's own file is a trap that the next restart of containerd springs: it is repaired, never sprung. */
export const onlyExtraHandler: Scenario = async (t, bed) => {
  const node = bed.workers[0]!
  const good = await bed.shell(node, `cat ${config}`)
  const section = good.indexOf('      default_runtime_name')
  await bed.write(node, config, `${good.slice(0, section)}\n${onlyExtra}`)
  const name = 'extra'
  await apply(bed.cluster, profileOf(name, [node], { handlers: [{ name: 'crun' }] }))
  await bed.ready(name)
  t.match((await bed.report(name)).status?.nodes, [{ result: 'Changed', verification: { passed: true } }])
  t.match(await bed.shell(node, `cat ${config}`), /runtimes\.runc\]\s+runtime_type/, 'runc is back')
  await bed.cluster.waitReady([node])
  await bed.kubectl('delete', 'runtimeprofile', name, '--wait=false')
  const why =
    /cannot be put back:.*default handler "runc" is not defined, so its CRI plugin would not load.*remove the finalizer/
  t.match(await bed.stalled(name), why, 'the trap is not set again, and the profile says why and what to do')
  const finalizers = '[{"op":"remove","path":"/metadata/finalizers"}]'
  await bed.kubectl('patch', 'runtimeprofile', name, '--type=json', '-p', finalizers)
  await bed.kubectl('wait', '--for=delete', `runtimeprofile/${name}`, '--timeout=30s')
  await bed.cluster.waitReady([node])
}

/** The same trap in a file that containerd imports: 1.x lets it replace all CRI settings of the main file. */
export const onlyExtraHandlerImported: Scenario = async (t, bed) => {
  const node = bed.workers[1]!
  const good = await bed.shell(node, `cat ${config}`)
  await bed.write(node, '/etc/containerd/conf.d/extra.toml', `version = 2\n[plugins]\n${onlyExtra}`)
  await bed.write(
    node,
    config,
    good.replace('version = 2\n', 'version = 2\nimports = ["/etc/containerd/conf.d/*.toml"]\n'),
  )
  await refused(t, bed, {
    node,
    spec: { cgroupDriver: 'systemd', handlers: [runc] },
    says: /conf\.d\/extra\.toml:3 is imported by \/etc\/containerd\/config\.toml and replaces its CRI section.*remove the import/,
  })
  await bed.write(node, config, good)
  await bed.shell(node, 'rm -r /etc/containerd/conf.d')
}

export const fullDisk: Scenario = async (t, bed) => {
  const node = bed.workers[2]!
  const fill =
    'cp -a /etc/containerd /tmp/kept; mount -t tmpfs -o size=256k none /etc/containerd; cp -a /tmp/kept/. /etc/containerd'
  await bed.shell(node, `${fill}; dd if=/dev/zero of=/etc/containerd/filler bs=4k 2>/dev/null || true`)
  await refused(t, bed, {
    node,
    spec: { cgroupDriver: 'systemd', handlers: [runc] },
    says: /no space left below \/etc\/containerd: free at least \d+ MiB there/,
  })
  await bed.shell(node, 'umount /etc/containerd; rm -r /tmp/kept')
}

/** It says its version, and that is all that it can do: only a pod can tell. */
export const brokenRuntime: Scenario = async (t, bed) => {
  const node = bed.workers[0]!
  const program = '/usr/local/sbin/crun-broken'
  await bed.write(
    node,
    program,
    '#!/bin/sh\n[ "$1" = --version ] && exec echo "crun version 9.9"\necho "no such luck" >&2\nexit 1\n',
    '0755',
  )
  await rolledBack(t, bed, {
    node,
    spec: { cgroupDriver: 'systemd', handlers: [runc, { name: 'bad', type: 'crun', binary: program }] },
    says: /handler bad: .*crun-broken.*try it by hand, or name another binary/,
  })
  await bed.shell(node, `rm ${program}`)
}

const dropIn = '/etc/systemd/system/kubelet.service.d/99-test.conf'
const underSystemd = 'grep -q "cgroupDriver: systemd" /var/lib/kubelet/config.yaml'

/** The kubelet does not return under the new driver: its unit fails at once, or hangs. */
const kubeletAway =
  (index: number, hook: string, says: RegExp): Scenario =>
  async (t, bed) => {
    const node = bed.workers[index]!
    await bed.write(node, dropIn, `[Service]\nExecStartPre=/bin/sh -c '${hook}'\n`)
    await bed.shell(node, 'systemctl daemon-reload')
    const began = Date.now()
    await rolledBack(t, bed, { node, spec: { cgroupDriver: 'systemd', handlers: [runc] }, says })
    t.ok(Date.now() - began < 75_000, 'the node came back by its deadline')
    await bed.shell(node, `rm ${dropIn}; systemctl daemon-reload`)
  }

export const kubeletFails = kubeletAway(
  1,
  `! ${underSystemd}`,
  /systemctl start kubelet\.service failed: .*journalctl -xeu kubelet\.service/,
)

export const kubeletHangs = kubeletAway(
  2,
  `${underSystemd} && exec sleep 1d || true`,
  /not proven within 30 seconds.*start -- kubelet\.service took longer than.*see journalctl -u kubelet\.service/,
)
