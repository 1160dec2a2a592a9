import t from 'tap'
import { renderConfig } from '../../node-agent/engines/containerd/config.ts'
import { detect } from '../../node-agent/engines/containerd/detect.ts'
import { layout } from '../../node-agent/engines/containerd/layout.ts'
import { migrated } from '../../node-agent/engines/containerd/migrate.ts'
import { notesOf } from '../../node-agent/engines/containerd/notes.ts'
import { strangers } from '../../node-agent/engines/containerd/strangers.ts'
import { ignoredKeys, importRefusal } from '../../node-agent/engines/containerd/upgrade.ts'
import type { FileEdit, Staged } from '../../node-agent/engines/engine.ts'
import type { Host } from '../../node-agent/host/host.ts'
import { containerdConfig } from '../cluster/containerd-config.ts'
import { type HostOf, hostOf } from './detect-host.ts'

const path = '/etc/containerd/config.toml'
const folder = '/opt/drydock/engines/containerd-0123456789ab'
const unitFile = '/usr/lib/systemd/system/containerd.service'
const dropIn = '/etc/systemd/system/containerd.service.d/90-drydock.conf'
const version = (text: string) => `containerd github.com/containerd/containerd/v2 ${text} x\n`
const cri = 'plugins."io.containerd.grpc.v1.cri"'

const staged: Staged = {
  program: `${folder}/bin/containerd`,
  version: '2.3.7',
  searchPath: [`${folder}/bin`],
  files: [{ path: dropIn, before: undefined, after: Buffer.from(layout.dropInText(folder)), original: undefined }],
}

function node(unit: string | undefined, files: Record<string, string> = {}): HostOf {
  return {
    files: { ...(unit === undefined ? {} : { [unitFile]: unit }), ...files },
    programs: {
      '/usr/bin/containerd --version': version('1.7.24'),
      [`/usr/bin/containerd --config ${path} config dump`]: 'version = 2\n',
      [`${staged.program} --version`]: version('2.3.7'),
      [`${staged.program} --config ${path} config dump`]: 'version = 4\n',
      [`${staged.program} config default`]: 'version = 4\n',
    },
    ...(unit === undefined
      ? {}
      : { units: { 'containerd.service': { execStart: '/usr/bin/containerd', files: [unitFile] } } }),
  }
}

const plain = '[Service]\nEnvironment=PATH=/own/bin\nExecStart=/usr/bin/containerd\n'

t.test('programs that lie ready are what is seen, with what they take the place of', async (t) => {
  const host = hostOf(node(plain, { [path]: 'version = 2\n' }))
  t.match(await detect(host, staged), {
    observed: { engine: { binary: staged.program, version: '2.3.7', configPath: path } },
    replaces: '1.7.24',
    searchPath: [`${folder}/bin`, '/usr/local/sbin', '/usr/local/bin'],
    refusal: undefined,
  })
  t.match(await detect(host), {
    observed: { engine: { version: '1.7.24' } },
    searchPath: ['/own/bin'],
    replaces: undefined,
  })
  t.match(await detect(hostOf(node(undefined)), staged), {
    configFiles: [{ path, bytes: undefined }],
    replaces: undefined,
  })
  t.equal(await detect(hostOf(node(undefined))), undefined, 'no containerd, and none to come')
})

t.test('a configuration that packages bring is what a new file begins with', async (t) => {
  const root = '/var/lib/drydock/unpacked'
  const text = `# Debian's\nversion = 2\n[${cri}.cni]\n  bin_dir = "/usr/lib/cni"\n`
  const given = node(undefined, { [`${root}${path}`]: text })
  const program = `${root}/usr/bin/containerd`
  const host = hostOf({ ...given, programs: { [`${program} --config ${root}${path} config dump`]: 'version = 4\n' } })
  const found = (await detect(host, { program, version: '1.7.24', searchPath: [], files: [], root }))!
  t.match(found, { defaults: text, configFiles: [{ path, bytes: undefined }] })
  const edits = renderConfig(found, { engine: { name: 'containerd' }, sandboxImage: 'x/y:1' }, new Map()) as FileEdit[]
  t.match(edits, [{ path, before: undefined, original: undefined }])
  t.match(`${edits[0]!.after}`, /^# Debian's\nversion = 2\n.*bin_dir = "\/usr\/lib\/cni"\n.*sandbox_image = "x\/y:1"/s)

  const [{ after, original, start }] = edits as [FileEdit]
  t.equal(`${start}`, text)
  const pasts = new Map([[path, { original, written: after, start: start! }]])
  const { defaults: _, ...later } = { ...found, configFiles: [{ path, bytes: after }] as const }
  const target = { engine: { name: 'containerd' }, sandboxImage: 'x/y:1' } as const
  t.same(renderConfig(later, target, pasts), [], 'once more, when the packages are installed: nothing to do')
  const [next] = renderConfig(later, { ...target, sandboxImage: 'x/y:2' }, pasts) as [FileEdit]
  t.match(`${next.after}`, /^# Debian's\nversion = 2\n.*bin_dir = "\/usr\/lib\/cni"\n.*sandbox_image = "x\/y:2"/s)
  t.match(next, { original: undefined, start })
})

t.test('options of the unit that the drop-in would lose are refused with their line', async (t) => {
  const started = async (options: string) => {
    const other = options.split(' ').at(-1)!.replace('--config=', '')
    const given = node(plain.replace('bin/containerd\n', `bin/containerd ${options}\n`), { [path]: 'version = 2\n' })
    const dumped = {
      [`${staged.program} --config ${other} config dump`]: 'version = 4\n',
      [`/usr/bin/containerd --config ${other} config dump`]: 'version = 2\n',
    }
    return (await detect(hostOf({ ...given, programs: { ...given.programs, ...dumped } }), staged))?.refusal
  }
  t.match(await started('--config /etc/other.toml'), {
    reason: 'UnitOptions',
    message: /containerd\.service:3 starts containerd with --config \/etc\/other\.toml/,
  })
  t.equal(await started(`--config=${path}`), undefined)
})

t.test('imports of a later version than the file that imports them', async (t) => {
  const files = [
    { path, bytes: Buffer.from('version = 2\n') },
    { path: '/etc/containerd/conf.d/10-gpu.toml', bytes: Buffer.from('# x\nversion = 3\n') },
  ] as const
  t.match(importRefusal(files, '2.3.4'), { reason: 'ConfigImported', message: /10-gpu\.toml:2 is of version 3/ })
  for (const fine of ['2.3.5', '2.2.7', '2.3.40', undefined]) t.equal(importRefusal(files, fine), undefined)
  t.equal(importRefusal([files[0]], '2.3.0'), undefined)
})

t.test('what a program says it ignores', async (t) => {
  const line = (rest: string) => `time="x" level=warning msg="Ignoring unknown key in TOML${rest}\n`
  t.same(
    ignoredKeys(
      `${line('" column=1 error="strict" file=a.toml key=plugin_dir row=4')}${line(' for plugin" key="containerd no_pivot" plugin=io.containerd.cri.v1.runtime')}level=warning msg="else" key=a`,
    ),
    [['plugin_dir'], ['plugins', 'io.containerd.cri.v1.runtime', 'containerd', 'no_pivot']],
  )
})

t.test('from version 2 to version 3, as a person would', async (t) => {
  const text = containerdConfig(2, { cgroupDriver: 'systemd', sandboxImage: 'x/pause:1' })
  const after = migrated(text, { hasBinDirs: true })!
  t.match(
    after,
    /\n {2}\[plugins\."io\.containerd\.cri\.v1\.images"\.pinned_images\]\n {4}# what kubeadm[^\n]*\n {4}sandbox = "x\/pause:1"\n/,
  )
  t.match(after, /bin_dirs {2}= \["\/usr\/lib\/cni"\] {5}# Debian's place/)
  t.match(migrated(text, { hasBinDirs: false }), /bin_dir {2}= "\/usr\/lib\/cni"/, '2.0 has no list')
  t.match(migrated(`version = 2\n[${cri}.cni]\nbin_dir = ""\n`, { hasBinDirs: true }), /bin_dir = ""/)
  const mixed = `version = 2\n[${cri}]\n  # servers\n  stream_server_port = "1"\n\n  max_concurrent_downloads = 5 # slow\n  enable_selinux = true\n  # snapshots\n  [${cri}.containerd]\n    snapshotter = "zfs"\n    default_runtime_name = "runc"\n`
  t.equal(
    migrated(mixed, { hasBinDirs: true }),
    `version = 3\n[plugins."io.containerd.cri.v1.runtime"]\n\n  enable_selinux = true\n\n[plugins."io.containerd.grpc.v1.cri"]\n  # servers\n  stream_server_port = "1"\n\n[plugins."io.containerd.cri.v1.images"]\n  max_concurrent_downloads = 5 # slow\n  snapshotter = "zfs"\n  # snapshots\n  [plugins."io.containerd.cri.v1.runtime".containerd]\n    default_runtime_name = "runc"\n`,
  )
  for (const odd of [
    `version = 2\n[plugins]\n"io.containerd.grpc.v1.cri" = { sandbox_image = "x" }\n`,
    `version = 2\n[${cri}]\ncontainerd = { snapshotter = "zfs", default_runtime_name = "runc" }\n`,
    `version = 2\n[${cri}]\nmax_concurrent_downloads = 5\n[plugins."io.containerd.cri.v1.images"]\nsnapshotter = "zfs"\n`,
  ]) {
    t.equal(migrated(odd, { hasBinDirs: true }), undefined, 'stays as it is')
  }
})

t.test('how systemd runs the programs of an archive', async (t) => {
  t.equal(
    layout.dropInText(folder),
    `# Written by Drydock.\n[Service]\nExecStart=\nEnvironment=PATH=${folder}/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\nExecStart=${folder}/bin/containerd\n`,
  )
  const unit = layout.unitText(folder)
  for (const line of [
    'Type=notify',
    'Delegate=yes',
    'KillMode=process',
    'OOMScoreAdjust=-999',
    'WantedBy=multi-user.target',
  ]) {
    t.match(unit, new RegExp(`^${line}$`, 'm'))
  }
})

t.test('containers of others on the same containerd', async (t) => {
  const ctr = (namespace: string, rest: string) => `/usr/bin/ctr --namespace ${namespace} ${rest}`
  const given = node('[Service]\nExecStart=/usr/bin/containerd\n')
  const host = hostOf({
    ...given,
    programs: {
      ...given.programs,
      '/usr/bin/containerd config default': 'version = 2\n',
      [ctr('k8s.io', 'namespaces list --quiet')]: 'k8s.io\nmoby\ndefault\n',
      [ctr('moby', 'tasks list --quiet')]: `${'3f'.repeat(32)}\n`,
      [ctr('default', 'tasks list --quiet')]: '',
    },
  })
  t.same(await strangers(host), [], 'it does not run')
  const running: Host = { ...host, unit: async (name) => ({ ...(await host.unit(name)), activeState: 'active' }) }
  t.same(await strangers(running), ['moby/3f3f3f3f3f3f'])
})

t.test('what people are told', async (t) => {
  const text = `version = 2\n[${cri}.registry.mirrors."docker.io"]\nendpoint = ["https://m"]\n`
  const found = (await detect(hostOf(node(plain, { [path]: text })), staged))!
  t.match(notesOf(found), [/ports below 1024/, /LimitNOFILE/, /2\.3\.7 still reads registry mirrors/])
  const said = `version = 2\n[${cri}]\nenable_unprivileged_ports = false\nenable_unprivileged_icmp = false\n`
  t.match(notesOf((await detect(hostOf(node(plain, { [path]: said })), staged))!), [/LimitNOFILE/])
  t.same(notesOf((await detect(hostOf(node(plain, { [path]: text }))))!), [], 'the same containerd as before')
})
