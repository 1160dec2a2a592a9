import { type ChildProcess, spawn } from 'node:child_process'
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { copyFile, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import {
  attach,
  bringUp,
  type Cluster,
  type ClusterSpec,
  type DownloadName,
  type Fault,
  settingsFrom,
  succeeded,
} from '../cluster/cluster.ts'

const entry = join(import.meta.dirname, '../cluster/main.ts')
const settings = settingsFrom(process.env)
const name = 'odd-one-0ut'
const busybox = 'docker.io/library/busybox:1.36'

type Tap = Pick<typeof t, 'test' | 'teardown'>

/** What there is of clusters whose name contains `mark` on this computer. */
interface Traces {
  mounts: string[]
  cgroups: string[]
  folders: string[]
  processes: string[]
}

const nothing: Traces = { mounts: [], cgroups: [], folders: [], processes: [] }

async function tracesOf(mark: string, namespaces: ReadonlySet<string>): Promise<Traces> {
  const cgroups = await readdir('/sys/fs/cgroup', { recursive: true })
  const nspawn = await readdir('/run/systemd/nspawn', { recursive: true }).catch(() => [])
  const clusters = await readdir(join(settings.cache, 'clusters')).catch(() => [])
  return {
    mounts: (await readFile('/proc/self/mountinfo', 'utf8')).split('\n').filter((line) => line.includes(mark)),
    cgroups: cgroups.filter((path) => path.includes(mark)),
    folders: [...nspawn, ...clusters].filter((path) => path.includes(mark)),
    processes: processes().filter(
      (pid) => commandOf(pid).includes(mark) || namespacesOf(pid).some((ns) => namespaces.has(ns)),
    ),
  }
}

function processes(): string[] {
  return readdirSync('/proc').filter((entry) => /^\d+$/.test(entry) && Number(entry) !== process.pid)
}

function commandOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8')
  } catch {
    return ''
  }
}

function namespacesOf(pid: string | 'self'): string[] {
  try {
    return ['net', 'pid', 'mnt'].map((kind) => readlinkSync(`/proc/${pid}/ns/${kind}`))
  } catch {
    return []
  }
}

/** The namespaces of all processes below the cgroups of `mark` that are not this process's own. */
async function namespacesOfCluster(mark: string): Promise<Set<string>> {
  const own = new Set(namespacesOf('self'))
  const found = new Set<string>()
  for (const path of await readdir('/sys/fs/cgroup', { recursive: true })) {
    if (!path.includes(mark) || !path.endsWith('/cgroup.procs')) continue
    const pids = await readFile(join('/sys/fs/cgroup', path), 'utf8').catch(() => '')
    for (const pid of pids.split('\n')) for (const ns of namespacesOf(pid)) if (!own.has(ns)) found.add(ns)
  }
  return found
}

/** Ends whatever an earlier, broken run left, and this one when it fails. */
async function cleared(test: Tap, ...names: string[]): Promise<void> {
  const clear = async () => {
    for (const each of names) await cli('down', '--name', each).ended
  }
  await clear()
  test.teardown(clear)
}

interface Run {
  child: ChildProcess
  ended: Promise<{ code: number | null; text: string }>
}

function cli(...args: string[]): Run {
  const child = spawn(process.execPath, [entry, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  let text = ''
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk) => (text += String(chunk)))
  return { child, ended: new Promise((resolve) => child.on('close', (code) => resolve({ code, text }))) }
}

t.setTimeout(1_200_000)

t.test('a spec that cannot become a cluster is refused before anything starts', async (t) => {
  const node = { name: 'cp', kind: 'debian12', controlPlane: true } as const
  const refused: [what: string, spec: ClusterSpec, says: RegExp][] = [
    ['a name that no machine can have', { name: 'No_Good', nodes: [node] }, /No_Good: use up to 32/],
    ['two nodes of one name', { nodes: [node, { ...node, controlPlane: false }] }, /same name/],
    ['two control planes', { nodes: [node, { ...node, name: 'b' }] }, /exactly the first/],
    ['a control plane without an engine', { nodes: [{ ...node, kind: 'debian12-bare' }] }, /needs an engine/],
    ['a kind that is not there', { nodes: [{ ...node, kind: 'plan9' as 'debian12' }] }, /none of debian12, /],
    [
      'a kind whose programs no package has',
      { nodes: [{ ...node, kind: 'debian13-crio' }], settings: { cache: settings.cache } },
      /node cp \(debian13-crio\) needs crio, pinns, which no package has: put them into a folder .* DRYDOCK_TESTBED_BIN/,
    ],
  ]
  for (const [what, spec, says] of refused) await t.rejects(bringUp(spec), { message: says }, what)
})

t.test('wrong usage ends with 2 and says what to write', async (t) => {
  for (const args of [
    ['fly'],
    ['up', '--node', 'x'],
    ['up', '--nodes', 'many'],
    ['exec', 'worker-1', 'ls'],
    ['up', '--wat'],
  ]) {
    const { code, text } = await cli(...args).ended
    t.equal(code, 2, text.slice(0, 80))
  }
  t.match(await cli('--help').ended, { code: 0, text: /up \[--nodes N\]/ })
  t.match(await cli('status', '--name', 'not-there').ended, { code: 1, text: /there is no cluster not-there/ })
})

t.test('a cluster', { skip: process.getuid?.() !== 0 && 'machines need root' }, async (t) => {
  await cleared(t, name, 'half-way')
  const cluster = await bringUp({
    name,
    nodes: [
      { name: 'boss', kind: 'debian12', controlPlane: true },
      { name: 'hand', kind: 'debian12', controlPlane: false },
      { name: 'empty', kind: 'debian12-bare', controlPlane: false },
    ],
    offers: true,
    log: (line) => t.comment(line),
  })
  const kubectl = async (...args: string[]) => succeeded(['kubectl', ...args], await cluster.kubectl(args))
  const onHand = async (...argv: string[]) => succeeded(argv, await cluster.exec('hand', argv, { timeout: 60_000 }))

  t.test('has the nodes that were asked for, Ready', async (t) => {
    const nodes = await kubectl('get', 'nodes', '-o', 'jsonpath={range .items[*]}{.metadata.name} {end}')
    t.equal(nodes, 'boss hand ')
    t.equal(await cluster.isOn('empty'), true)
    t.equal((await cluster.exec('empty', ['which', 'containerd', 'runc', 'crun'])).code, 1)
    t.equal((await attach(name)).version, cluster.version)
    t.match(await cli('status', '--name', name).ended, { code: 0, text: /empty +debian12-bare +10\.88\.0\.12 +on/ })
  })

  t.test('is not brought up twice', async (t) => {
    await t.rejects(bringUp({ name, nodes: cluster.nodes }), { message: /is up already: take it down with/ })
  })

  t.test('runs programs on nodes', async (t) => {
    t.same(await cluster.exec('hand', ['sh', '-c', 'cat; echo no >&2; exit 7'], { input: 'in' }), {
      code: 7,
      stdout: 'in',
      stderr: 'no\n',
    })
    t.equal((await cluster.exec('hand', ['sleep', '99'], { timeout: 200 })).code, 124)
    t.notOk((await onHand('ps', '-e', '-o', 'args')).includes('sleep 99'), 'what took too long is ended')
    t.notMatch(await onHand('cat', '/proc/self/cgroup'), /\.\./, 'in the cgroup of the machine')
    t.equal((await cli('exec', '--name', name, 'hand', '--', 'sh', '-c', 'exit 9').ended).code, 9)
  })

  t.test('has the files of a kubeadm node, kubelet and engine with one cgroup driver', async (t) => {
    t.match(await onHand('cat', '/var/lib/kubelet/config.yaml'), /^cgroupDriver: cgroupfs$/m)
    t.match(
      await onHand('cat', '/var/lib/kubelet/instance-config.yaml'),
      /containerRuntimeEndpoint: .*containerd\.sock/,
    )
    t.match(await onHand('cat', '/var/lib/kubelet/kubeadm-flags.env'), /^KUBELET_KUBEADM_ARGS=/)
    t.match(await onHand('cat', '/etc/containerd/config.toml'), /SystemdCgroup = false/)
    t.match(await onHand('systemctl', 'cat', 'kubelet'), /10-kubeadm\.conf/)
    const failed = (await onHand('systemctl', '--failed', '--plain', '--no-legend')).split('\n').filter(Boolean)
    // systemd's own record of the boot fails on a starved machine, and nobody needs it.
    const missed = failed.filter((line) => !line.startsWith('systemd-update-utmp'))
    t.same(missed, [], 'every unit runs')
  })

  t.test('installs packages from its own repository', async (t) => {
    const packages = 'runc crun containerd containernetworking-plugins'
    const install = `apt-get update -q && apt-get install -q -y --no-install-recommends ${packages}`
    const { code, stderr } = await cluster.exec('empty', ['sh', '-c', install], { timeout: 120_000 })
    t.equal(code, 0, stderr)
    t.match((await cluster.exec('empty', ['crun', '--version'])).stdout, /^crun version 1\./)
    t.match((await cluster.exec('empty', ['containerd', '--version'])).stdout, / v2\./, 'the newer one of two')
    t.equal((await cluster.exec('empty', ['systemctl', 'is-active', 'containerd'])).stdout, 'active\n')
  })

  t.test('offers archives of engines over HTTPS, and breaks answers when asked to', async (t) => {
    const asNode = 'openssl s_client -connect 10.88.0.1:8443 -verify_return_error </dev/null'
    t.match((await cluster.exec('hand', ['sh', '-c', asNode])).stdout, /Verify return code: 0 \(ok\)/, 'nodes trust it')
    const digest = `require('node:crypto').hash('sha256', Buffer.from(body))`
    const get = `fetch(process.argv[1]).then((r) => r.arrayBuffer()).then((body) => process.stdout.write(${digest}))`
    const env = { NODE_EXTRA_CA_CERTS: join(cluster.rootOf('hand'), 'usr/local/share/ca-certificates/testbed.crt') }
    const fetched = async (name: DownloadName, fault?: Fault) => {
      const { url } = await cluster.download(name, fault)
      return cluster.run([process.execPath, '-e', get, url], { env, timeout: 5_000 })
    }
    for (const name of ['containerd', 'runc', 'crun', 'cni-plugins'] as const) {
      t.equal((await fetched(name)).stdout, (await cluster.download(name)).sha256, name)
    }
    t.match(await fetched('runc', 'truncated'), { code: 1, stderr: /terminated/ })
    t.match(await fetched('runc', 'stalled'), { code: 124 })
    t.match(await fetched('runc', 'dead'), { code: 1, stderr: /ECONNREFUSED/ })
  })

  const image = `${cluster.registry}/test/busybox:1`
  t.test('loads and pushes images, and nodes pull them', async (t) => {
    const folder = (await readdir(settings.cache)).find((entry) => /^image-busybox-[0-9a-f]+$/.test(entry))
    const archive = join(settings.cache, folder ?? '', 'image.tar')
    t.equal(await cluster.push(archive, 'test/busybox:1'), image)
    await kubectl('run', 'pulled', `--image=${image}`, '--restart=Never', '--', 'sleep', '1d')
    await kubectl('wait', '--for=condition=Ready', 'pod/pulled', '--timeout=60s')
    await onHand('ctr', '-n', 'k8s.io', 'images', 'rm', busybox)
    await cluster.load([archive], ['hand'])
    t.ok((await onHand('ctr', '-n', 'k8s.io', 'images', 'ls', '-q')).split('\n').includes(busybox))
  })

  t.test('answers under service addresses, to pods and to programs in its network', async (t) => {
    const serve = 'mkdir /www && echo hello > /www/index.html && exec httpd -f -p 80 -h /www'
    await kubectl('run', 'web', `--image=${image}`, '--port=80', '--expose', '--', 'sh', '-c', serve)
    await kubectl('wait', '--for=condition=Ready', 'pod/web', '--timeout=60s')
    const address = await kubectl('get', 'service', 'web', '-o', 'jsonpath={.spec.clusterIP}')
    const fetch = `until timeout 2 wget -qO- http://${address}/; do sleep 0.2; done`
    t.equal(await kubectl('exec', 'pulled', '--', 'timeout', '20', 'sh', '-c', fetch), 'hello\n', 'from a pod')
    const pod = await kubectl('get', 'pod', 'web', '-o', 'jsonpath={.status.podIP}')
    const here = `fetch('http://${pod}/').then((r) => r.text()).then((s) => process.stdout.write(s))`
    t.equal((await cluster.run([process.execPath, '-e', here])).stdout, 'hello\n', 'from this computer')
  })

  t.test('writes down who asked the API server for what', async (t) => {
    await kubectl('create', 'configmap', 'noted')
    const lines = (await readFile(cluster.auditLogPath, 'utf8')).trim().split('\n')
    const events = lines.map(
      (line) => JSON.parse(line) as { verb: string; objectRef?: { name?: string }; user: { username: string } },
    )
    const creation = events.find(({ verb, objectRef }) => verb === 'create' && objectRef?.name === 'noted')
    t.equal(creation?.user.username, 'kubernetes-admin')
  })

  t.test('gets a node back after a power cut, with its files', async (t) => {
    await onHand('sh', '-c', 'echo kept > /var/lib/kept; cat /proc/sys/kernel/random/boot_id > /var/lib/boot')
    await cluster.kill('hand')
    t.equal(await cluster.isOn('hand'), false)
    t.equal((await cluster.exec('hand', ['true'])).code, 255)
    await cluster.start('hand')
    await cluster.waitReady(['hand'])
    t.equal(await onHand('cat', '/var/lib/kept'), 'kept\n')
    t.not(await onHand('cat', '/proc/sys/kernel/random/boot_id'), await onHand('cat', '/var/lib/boot'))
    await kubectl('wait', '--for=condition=Ready', 'pod/web', '--timeout=60s')
  })

  t.test('joins a node that has got an engine since', async (t) => {
    const config = 'etc/containerd/config.toml'
    const [pause] = (await readdir(settings.cache)).filter((entry) => /^image-pause-[0-9a-f]+$/.test(entry))
    await copyFile(join(cluster.rootOf('hand'), config), join(cluster.rootOf('empty'), config))
    await cluster.exec('empty', ['systemctl', 'restart', 'containerd'])
    await cluster.load([join(settings.cache, pause ?? '', 'image.tar')], ['empty'])
    await cluster.join('empty')
    await cluster.waitReady(['empty'])
    t.match(await kubectl('get', 'nodes', '-o', 'name'), /node\/empty/)
  })

  t.test('is not touched by another whose up is killed half way', async (t) => {
    for (const [where, reached] of halfWays) {
      const up = cli('up', '--name', 'half-way', '--nodes', '1')
      await until(reached, up)
      const namespaces = await namespacesOfCluster('drydock-half-way-')
      up.child.kill('SIGKILL')
      await up.ended
      t.match(await cli('down', '--name', 'half-way').ended, { code: 0 }, `killed ${where}`)
      t.same(await tracesOf('half-way', namespaces), nothing, `nothing is left of an up that was killed ${where}`)
    }
    await cluster.waitReady()
  })

  await leavesNothing(t, cluster)
})

const halfWay = join(settings.cache, 'clusters/half-way')
const halfWays: [where: string, reached: () => boolean][] = [
  ['while nodes are copied', () => present(join(halfWay, 'nodes/worker-1'))],
  ['while nodes boot', () => present(join(halfWay, 'nodes/worker-1/console.log'))],
  ['during kubeadm init', () => present(join(halfWay, 'nodes/control-plane/root/etc/kubernetes/pki/ca.crt'))],
  ['during kubeadm join', () => present(join(halfWay, 'nodes/worker-1/root/etc/kubernetes/testbed-join.yaml'))],
]

function present(path: string): boolean {
  try {
    return readdirSync(join(path, '..')).includes(path.split('/').at(-1)!)
  } catch {
    return false
  }
}

async function until(reached: () => boolean, { child, ended }: Run): Promise<void> {
  while (!reached()) {
    if (child.exitCode !== null) throw new Error(`up ended before it was to be killed:\n${(await ended).text}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

async function leavesNothing(t: Tap, cluster: Cluster): Promise<void> {
  await t.test('leaves nothing when it goes down', async (t) => {
    const namespaces = await namespacesOfCluster(`drydock-${name}-`)
    const before = await tracesOf(name, namespaces)
    for (const [kind, found] of Object.entries(before)) t.not(found.length, 0, `${kind} are seen while it stands`)
    await cluster.down()
    t.same(await tracesOf(name, namespaces), nothing)
    await t.rejects(attach(name), { message: /there is no cluster/ })
  })
}
