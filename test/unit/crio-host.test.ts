import t from 'tap'
import { renderConfig } from '../../node-agent/engines/crio/config.ts'
import { detect } from '../../node-agent/engines/crio/detect.ts'
import { crio } from '../../node-agent/engines/crio/index.ts'
import { validate } from '../../node-agent/engines/crio/validate.ts'
import { type FileEdit, isRefusal, type Staged, type Target } from '../../node-agent/engines/engine.ts'
import { engineByName } from '../../node-agent/engines/index.ts'
import { ReadOnlyError } from '../../node-agent/host/errors.ts'
import { type HostOf, hostOf } from './detect-host.ts'

/** As `crio config --default` prints: comments between settings, and three of its own below the last handler. */
const defaults = `# The CRI-O configuration file
[crio]
[crio.api]
listen = "/var/run/crio/crio.sock"
[crio.runtime]
cgroup_manager = "systemd"
pinns_path = ""
default_runtime = "crun"
[crio.runtime.runtimes.crun]
runtime_path = ""
runtime_type = "oci"
monitor_path = ""
hostnetwork_disable_selinux = true
[crio.image]
pause_image = "registry.k8s.io/pause:3.10.1"
[crio.network]
plugin_dirs = [
	"/opt/cni/bin/",
]
`
/** And \`crio config\`: what is as its default is a comment. */
const effective = `[crio]
[crio.runtime]
# cgroup_manager = "systemd"
default_runtime = "runc"
[crio.runtime.runtimes.crun]
runtime_path = ""
runtime_type = "oci"
[crio.runtime.runtimes.kata]
runtime_path = "/opt/kata/bin/containerd-shim-kata-v2"
runtime_type = "vm"
[crio.runtime.runtimes.runc]
runtime_path = "/usr/libexec/crio/runc"
runtime_type = ""
monitor_path = "/usr/libexec/crio/conmon"
[crio.image]
pause_image = "x/pause:1"
`

const binary = '/usr/bin/crio'
const askDefaults = `${binary} --config  --config-dir  config --default`
const ask = `${binary} --log-level debug --config /etc/crio/crio.conf --config-dir /etc/crio/crio.conf.d config`

const packaged: HostOf = {
  files: {
    '/u/crio.service':
      '[Service]\nEnvironmentFile=-/etc/default/crio\nExecStart=/usr/bin/crio $CRIO_CONFIG_OPTIONS -c /etc/crio/crio.conf\n',
    '/etc/default/crio': 'CRIO_CONFIG_OPTIONS="--log-level debug --config-dir=/etc/crio/crio.conf.d"\n',
    '/etc/crio/crio.conf': '[crio]\n',
    '/etc/crio/crio.conf.d/10-crio.conf':
      '[crio.runtime]\ndefault_runtime = "runc"\n[crio.runtime.runtimes.runc]\nruntime_path = "/usr/libexec/crio/runc"\n',
    '/etc/containers/registries.conf': 'unqualified-search-registries = ["docker.io"]\n',
    '/etc/containers/registries.conf.d/shortnames.conf': '[aliases]\n',
    '/etc/containers/policy.json': '{}',
    '/etc/cni/net.d/10-bridge.conflist': '{"plugins":[{"type":"bridge"},{"type":"portmap"}]}',
    '/etc/cni/net.d/11-broken.conf': '{',
    '/etc/cni/net.d/README': 'x',
  },
  programs: {
    [`${binary} --version`]: 'crio version 1.36.3\n   GitCommit: x\n',
    [askDefaults]: defaults,
    [ask]: effective,
    '/usr/libexec/crio/runc --version': 'runc version 1.4.2\n',
    '/usr/libexec/crio/conmon x': '',
    '/usr/bin/pinns x': '',
    '/usr/sbin/runc --version': 'runc version 1.1.15\n',
    '/opt/cni/bin/bridge x': '',
    '/opt/cni/bin/portmap x': '',
    '/usr/lib/cni/bridge x': '',
  },
  units: { 'crio.service': { execStart: binary, files: ['/u/crio.service'] } },
}

const with_ = (change: Partial<HostOf>): HostOf => ({
  ...packaged,
  ...change,
  files: { ...packaged.files, ...change.files },
  programs: { ...packaged.programs, ...change.programs },
})
const target = (wanted: Omit<Target, 'engine'>): Target => ({ engine: { name: 'cri-o' }, ...wanted })
const runc = { name: 'runc', type: 'runc', default: true } as const

t.test('a packaged CRI-O, with options in the file of its unit', async (t) => {
  t.equal(engineByName('cri-o'), crio)
  const found = await detect(hostOf(packaged))
  t.same(
    found?.observed,
    {
      engine: {
        name: 'cri-o',
        binary,
        configPath: '/etc/crio/crio.conf',
        version: '1.36.3',
        socket: '/var/run/crio/crio.sock',
      },
      handlers: [
        {
          name: 'runc',
          default: true,
          type: 'oci',
          binary: '/usr/libexec/crio/runc',
          version: '1.4.2',
          cgroupDriver: 'systemd',
        },
      ],
      sandboxImage: 'x/pause:1',
      engineDriver: 'systemd',
    },
    'handlers without a program are not there: CRI-O drops them',
  )
  t.same(
    found?.configFiles.map(({ path }) => path),
    [
      '/etc/crio/crio.conf.d/99-drydock.conf',
      '/etc/crio/crio.conf',
      '/etc/crio/crio.conf.d/10-crio.conf',
      '/etc/crio/policy.json',
      '/etc/containers/policy.json',
      '/etc/containers/registries.conf',
      '/etc/containers/registries.conf.d/shortnames.conf',
      '/etc/containers/registries.conf.d/90-drydock.conf',
    ],
  )
  t.same(found?.cniFolders, [], 'its plugins are where CRI-O looks')
  const debian = { '/usr/lib/cni/loopback x': '', '/usr/libexec/cni/loopback x': '' }
  const files = { '/etc/cni/net.d/10-bridge.conflist': '{"plugins":[{"type":"loopback"},{"type":"nowhere"}]}' }
  t.same((await detect(hostOf(with_({ files, programs: debian }))))?.cniFolders, ['/usr/lib/cni'])
  t.same(
    found?.ociRuntimes.map(({ path }) => path),
    ['/usr/sbin/runc', '/usr/libexec/crio/runc'],
  )
  t.same(await crio.strangers(hostOf(packaged)), [])
})

t.test('none, one that is only ready, and one that does not take its files', async (t) => {
  t.equal(await detect(hostOf({ files: {} })), undefined)
  const folder = '/opt/drydock/engines/cri-o-0123456789ab/cri-o/bin'
  const staged: Staged = { program: `${folder}/crio`, version: '1.37.0', searchPath: [folder], files: [] }
  const programs = {
    [`${folder}/crio --config  --config-dir  config --default`]: defaults,
    [`${folder}/crio --config  --config-dir /etc/crio/crio.conf.d config`]: '[crio]\n',
    [`${folder}/crun --version`]: 'crun version 1.26\n',
  }
  const found = await detect(hostOf({ files: {}, programs }), staged)
  t.match(found, {
    observed: {
      engine: { binary: `${folder}/crio`, version: '1.37.0' },
      handlers: [{ name: 'crun', default: true, binary: `${folder}/crun`, version: '1.26' }],
      sandboxImage: 'registry.k8s.io/pause:3.10.1',
    },
    ociRuntimes: [{ kind: 'crun' }],
  })
  t.equal(found?.searchPath[0], folder)
  const said =
    'time="x" level=info msg="Updating"\nlevel=fatal msg="default_runtime set to \\"x\\", but no runtime entry"\n'
  const broken = await detect(hostOf(with_({ programs: { [ask]: { code: 1, stdout: '', stderr: said } } })))
  t.match(broken, {
    observed: { engine: { version: '1.36.3' } },
    refusal: {
      reason: 'ConfigInvalid',
      message: 'CRI-O does not accept its configuration: default_runtime set to "x", but no runtime entry',
    },
  })
})

t.test('programs from an archive in place of those of a package', async (t) => {
  const folder = '/opt/drydock/engines/cri-o-0123456789ab/cri-o/bin'
  const edit = {
    path: '/etc/systemd/system/crio.service.d/90-drydock.conf',
    before: undefined,
    after: Buffer.from(''),
    original: undefined,
  }
  const staged: Staged = { program: `${folder}/crio`, version: '1.37.0', searchPath: [folder], files: [edit] }
  const programs = {
    [askDefaults.replace(binary, staged.program)]: defaults,
    [ask.replace(binary, staged.program)]: effective,
  }
  const found = await detect(hostOf(with_({ programs })), staged)
  t.match(found, { replaces: '1.36.3', observed: { engine: { version: '1.37.0' } } })
  t.equal(found?.refusal, undefined, 'the option that its unit spells says nothing new')
  const spelled = '[Service]\n\nExecStart=/usr/bin/crio --log-level debug\n'
  t.match(await detect(hostOf(with_({ programs, files: { '/u/crio.service': spelled } })), staged), {
    refusal: {
      reason: 'UnitOptions',
      message: /^\/u\/crio\.service:3 starts CRI-O with --log-level debug, which programs from an archive/,
    },
  })
})

t.test('what packages bring is read before it is there', async (t) => {
  const root = '/opt/drydock/engines/packages-0123456789ab/root'
  const packages = { manager: 'apt' as const, install: [], former: [], held: [], brought: [] }
  const staged: Staged = {
    program: `${root}/usr/bin/crio`,
    version: '1.36.3',
    searchPath: [`${root}/usr/libexec/crio`],
    files: [],
    packages,
  }
  const folder = '/run/.drydock-staged-crio'
  const host = hostOf({
    // As it will be with the package.
    files: { '/etc/crio/crio.conf.d/10-crio.conf': packaged.files['/etc/crio/crio.conf.d/10-crio.conf']! },
    programs: {
      [askDefaults.replace(binary, staged.program)]: defaults,
      [`${staged.program} --config  --config-dir ${folder}/crio.conf.d config`]: effective,
      [`rm -r -f -- ${folder}`]: '',
      '/usr/libexec/crio/runc --version': 'runc version 1.4.2\n',
    },
  })
  t.match(await detect(host, staged), { observed: { handlers: [{ name: 'runc', binary: '/usr/libexec/crio/runc' }] } })
  t.same([...host.written.keys()], [`${folder}/crio.conf.d/10-crio.conf`])
})

const folder = '/run/.drydock-staged-crio'
const askStaged = `${binary} --log-level debug --config ${folder}/crio.conf --config-dir ${folder}/crio.conf.d config`
const clean = { [`rm -r -f -- ${folder}`]: '' }

async function validated(given: HostOf, wanted: Target) {
  const host = hostOf(given)
  const found = (await detect(host))!
  const edits = renderConfig(found, wanted, new Map())
  if (isRefusal(edits)) throw new Error(edits.message)
  return { refusal: await validate(host, found, edits, wanted), host, edits }
}

t.test('edited files are asked about in a folder that no CRI-O reads', async (t) => {
  const wanted = target({ handlers: [runc], sandboxImage: 'y/pause:2' })
  const after = effective.replace('x/pause:1', 'y/pause:2')
  const { refusal, host, edits } = await validated(with_({ programs: { ...clean, [askStaged]: after } }), wanted)
  t.equal(refusal, undefined)
  t.same(
    edits.map(({ path }) => path),
    ['/etc/crio/crio.conf.d/99-drydock.conf'],
  )
  const names = [...host.written.keys()]
  t.same(
    names,
    [`${folder}/crio.conf.d/99-drydock.conf`, `${folder}/crio.conf`, `${folder}/crio.conf.d/10-crio.conf`],
    'and the folder is removed by name',
  )
})

t.test('what is wrong is refused', async (t) => {
  const image = target({ sandboxImage: 'y/pause:2' })
  const cases: readonly [string, HostOf, Target, object][] = [
    [
      'CRI-O does not take it',
      with_({ programs: { ...clean, [askStaged]: { code: 1, stdout: '', stderr: 'no' } } }),
      image,
      { reason: 'ConfigInvalid' },
    ],
    [
      'something else wins',
      with_({ programs: { ...clean, [askStaged]: effective } }),
      image,
      { reason: 'ConfigNotEffective', message: /its pause image is "x\/pause:1", not "y\/pause:2": see "crio config"/ },
    ],
    [
      'a default handler that does not run',
      with_({ programs: { ...clean, '/usr/libexec/crio/runc --version': { code: 1, stdout: '', stderr: '' } } }),
      target({}),
      { reason: 'RuntimeBroken', message: /handler "runc": "\/usr\/libexec\/crio\/runc --version" does not run/ },
    ],
    [
      'a program that is older than what this CRI-O writes',
      with_({
        programs: {
          ...clean,
          '/usr/libexec/crio/runc --version': 'crun version 1.8.1\n',
          [`grep --text --only-matching --max-count=1 --extended-regexp github.com/opencontainers/runtime-spec[[:space:]]v[0-9.]+ ${binary}`]:
            'github.com/opencontainers/runtime-spec\tv1.3.0\n',
          '/usr/libexec/crio/runc create --config /run/drydock-question.json drydock-question': {
            code: 1,
            stdout: '',
            stderr: 'unknown version specified\n',
          },
        },
      }),
      target({}),
      { reason: 'RuntimeTooOld', message: /is crun 1\.8\.1, .* CRI-O 1\.36\.3 \(version 1\.3\.0 of/ },
    ],
    [
      'a disk that cannot be written',
      with_({ programs: { ...clean, [askStaged]: effective }, refuseWrite: new ReadOnlyError('no') }),
      image,
      { reason: 'ReadOnly', message: /\/etc\/crio is on a read-only file system/ },
    ],
    ['a full disk', with_({ programs: { ...clean, [askStaged]: effective }, free: 10 }), image, { reason: 'NoSpace' }],
  ]
  for (const [name, given, wanted, expected] of cases) {
    t.test(name, async (t) => t.match((await validated(given, wanted)).refusal, expected))
  }
  t.test('a monitor that is not there', async (t) => {
    const programs = Object.fromEntries(Object.entries(packaged.programs!).filter(([name]) => !name.includes('conmon')))
    const { refusal } = await validated({ ...packaged, programs: { ...programs, ...clean } }, target({}))
    t.match(refusal, {
      reason: 'RuntimeNotInstalled',
      message: /CRI-O needs \/usr\/libexec\/crio\/conmon does not exist/,
    })
  })
  t.test('a handler that CRI-O would drop', async (t) => {
    const wanted = target({ handlers: [runc, { name: 'kata', type: 'runc', default: false, binary: '/nowhere/x' }] })
    const after = effective.replace(
      '/opt/kata/bin/containerd-shim-kata-v2"\nruntime_type = "vm"',
      '/nowhere/x"\nruntime_type = "oci"',
    )
    const { refusal } = await validated(with_({ programs: { ...clean, [askStaged]: after } }), wanted)
    t.match(refusal, { reason: 'RuntimeNotInstalled', message: /handler "kata": \/nowhere\/x does not exist/ })
  })
})

t.test('without a target the files of before are asked about', async (t) => {
  const host = hostOf(
    with_({
      files: { '/etc/crio/crio.conf.d/99-drydock.conf': '[crio]\n' },
      programs: { ...clean, [askStaged]: effective },
    }),
  )
  const found = (await detect(host))!
  const gone: FileEdit = {
    path: found.configFiles[0].path,
    before: Buffer.from('[crio]\n'),
    after: undefined,
    original: undefined,
  }
  t.equal(await validate(host, found, [gone], undefined), undefined)
  t.same([...host.written.keys()], [`${folder}/crio.conf`, `${folder}/crio.conf.d/10-crio.conf`])
})
