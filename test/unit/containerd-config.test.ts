import t from 'tap'
import { actionFor } from '../../node-agent/engines/containerd/action.ts'
import { renderConfig } from '../../node-agent/engines/containerd/config.ts'
import {
  type FileEdit,
  type Found,
  isRefusal,
  type Pasts,
  type Refusal,
  type Target,
} from '../../node-agent/engines/engine.ts'
import { engineByName } from '../../node-agent/engines/index.ts'
import { containerdConfig } from '../cluster/containerd-config.ts'

const path = '/etc/containerd/config.toml'
const noPasts: Pasts = new Map()

function found(text: string | undefined, version = '1.7.24', imports: Record<string, string> = {}): Found {
  return {
    observed: { engine: { name: 'containerd', version } },
    configFiles: [
      { path, bytes: text === undefined ? undefined : Buffer.from(text) },
      ...Object.entries(imports).map(([path, text]) => ({ path, bytes: Buffer.from(text) })),
    ],
    ociRuntimes: [
      { path: '/usr/bin/crun', kind: 'crun', version: '1.21' },
      { path: '/usr/sbin/runc', kind: 'runc', version: '1.1.15' },
      { path: '/usr/bin/nvidia-container-runtime', kind: 'other', version: undefined },
    ],
    searchPath: ['/usr/sbin', '/usr/bin'],
  }
}

function target(wanted: Omit<Target, 'engine'>): Target {
  return { engine: { name: 'containerd' }, ...wanted }
}

function render(
  where: Found,
  wanted: Omit<Target, 'engine'>,
  pasts = noPasts,
): { text: string | undefined; edits: readonly FileEdit[]; action: string } {
  const edits = renderConfig(where, target(wanted), pasts)
  if (isRefusal(edits)) throw new Error(edits.message)
  const text = edits[0] ? edits[0].after?.toString() : where.configFiles[0].bytes?.toString()
  return { text, edits, action: actionFor(where, edits) }
}

function refusal(where: Found, wanted: Omit<Target, 'engine'>, pasts = noPasts): Refusal {
  const edits = renderConfig(where, target(wanted), pasts)
  if (!isRefusal(edits)) throw new Error(`not refused: ${edits[0]?.after}`)
  return edits
}

const runc = { name: 'runc', type: 'runc', default: true } as const
const crun = { name: 'crun', type: 'crun', default: false } as const

const debian12 = `version = 2

[plugins]
  [plugins."io.containerd.grpc.v1.cri"]
    [plugins."io.containerd.grpc.v1.cri".cni]
      bin_dir = "/usr/lib/cni"
      conf_dir = "/etc/cni/net.d"
  [plugins."io.containerd.internal.v1.opt"]
    path = "/var/lib/containerd/opt"
`

t.test('the list of engines', async (t) => {
  t.strictSame(engineByName('containerd')?.units, ['containerd.service'])
  t.equal(engineByName('podman'), undefined)
})

t.test("Debian's file: the built-in runc becomes lines beside a new handler", async (t) => {
  const { text, action } = render(found(debian12, '1.6.20~ds1'), { cgroupDriver: 'systemd', handlers: [runc, crun] })
  t.equal(
    text,
    `version = 2

[plugins]
  [plugins."io.containerd.grpc.v1.cri"]
    [plugins."io.containerd.grpc.v1.cri".cni]
      bin_dir = "/usr/lib/cni"
      conf_dir = "/etc/cni/net.d"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = true
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.crun]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.crun.options]
        BinaryName = "/usr/bin/crun"
        SystemdCgroup = true
  [plugins."io.containerd.internal.v1.opt"]
    path = "/var/lib/containerd/opt"
`,
  )
  t.equal(action, 'DrainRestart')
})

t.test('no file: a small one of the version that the program has as its own', async (t) => {
  t.match(
    render(found(undefined, '1.6.20'), { cgroupDriver: 'systemd' }).text,
    /^version = 2\n\n\[plugins\."io\.containerd\.grpc\.v1\.cri"\.containerd\.runtimes\.runc\]\n/,
  )
  const { text, edits } = render(found(undefined, '2.3.7'), {
    cgroupDriver: 'systemd',
    handlers: [runc, crun],
    sandboxImage: 'x/pause:1',
  })
  t.equal(
    text,
    `version = 3

[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"

  [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
    SystemdCgroup = true

[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.crun]
  runtime_type = "io.containerd.runc.v2"

  [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.crun.options]
    BinaryName = "/usr/bin/crun"
    SystemdCgroup = true

[plugins."io.containerd.cri.v1.images".pinned_images]
  sandbox = "x/pause:1"
`,
  )
  t.equal(edits[0]?.original, undefined)
  const back = render(found(text, '2.3.7'), {}, new Map([[path, { original: undefined, written: Buffer.from(text!) }]]))
  t.match(back.edits, [{ after: undefined }], 'and it goes again')
  t.equal(back.action, 'DrainRestart')
  t.match(render(found('# ours\n'), { cgroupDriver: 'systemd' }).text, /^# ours\nversion = 2\n/)
})

t.test('a target that is met changes nothing', async (t) => {
  const text = containerdConfig(2, { cgroupDriver: 'systemd', sandboxImage: 'x/pause:1' })
  const wanted = { cgroupDriver: 'systemd', sandboxImage: 'x/pause:1', handlers: [runc] } satisfies Omit<
    Target,
    'engine'
  >
  t.match(render(found(text), wanted), { edits: [], action: 'None' })
  t.match(render(found(text), {}), { edits: [], action: 'None' })
  t.match(render(found(debian12), {}), { edits: [], action: 'None' })
  t.match(render(found(debian12), { cgroupDriver: 'cgroupfs', handlers: [runc] }), { edits: [], action: 'None' })
  t.match(render(found(undefined), {}), { edits: [], action: 'None' })
})

t.test('comments, quotes and line ends of a value that changes', async (t) => {
  const text =
    "version = 3 # keep\r\n[plugins.'io.containerd.cri.v1.images'.pinned_images]\r\n\tsandbox = 'x/pause:1' # why\r\n"
  const { text: after, action } = render(found(text, '2.0.0'), { sandboxImage: 'x/pause:2' })
  t.equal(
    after,
    `version = 3 # keep\r\n[plugins.'io.containerd.cri.v1.images'.pinned_images]\r\n\tsandbox = 'x/pause:2' # why\r\n[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]\r\n\truntime_type = "io.containerd.runc.v2"\r\n`,
  )
  t.equal(action, 'Restart')
})

t.test('handlers in other shapes', async (t) => {
  const p = '[plugins."io.containerd.grpc.v1.cri".containerd'
  const cases: Record<string, [before: string, after: string]> = {
    'inline table': [
      `version = 2\n${p}.runtimes]\nrunc = { runtime_type = "io.containerd.runc.v2", options = { SystemdCgroup = false, Root = "/r" } } # mine\n`,
      `version = 2\n${p}.runtimes]\nrunc = { runtime_type = "io.containerd.runc.v2", options = { SystemdCgroup = true, Root = "/r" } } # mine\n`,
    ],
    'inline table without options': [
      `version = 2\n${p}]\nruntimes = { runc = { runtime_type = "io.containerd.runc.v2" } }\n`,
      `version = 2\n${p}]\nruntimes = { runc = { runtime_type = "io.containerd.runc.v2", options = { SystemdCgroup = true } } }\n`,
    ],
    'inline table with dots': [
      `version = 2\n${p}.runtimes]\nrunc = { runtime_type = "io.containerd.runc.v2", options.Root = "/r" }`,
      `version = 2\n${p}.runtimes]\nrunc = { runtime_type = "io.containerd.runc.v2", options.Root = "/r", options.SystemdCgroup = true }`,
    ],
    'empty inline table': [
      `version = 2\n${p}.runtimes.runc]\nruntime_type = "io.containerd.runc.v2"\noptions = {}\n`,
      `version = 2\n${p}.runtimes.runc]\nruntime_type = "io.containerd.runc.v2"\noptions = { SystemdCgroup = true }\n`,
    ],
    dots: [
      `version = 2\n[plugins.'io.containerd.grpc.v1.cri']\ncontainerd.runtimes.runc.runtime_type = 'io.containerd.runc.v2'\n`,
      `version = 2\n[plugins.'io.containerd.grpc.v1.cri']\ncontainerd.runtimes.runc.runtime_type = 'io.containerd.runc.v2'\ncontainerd.runtimes.runc.options.SystemdCgroup = true\n`,
    ],
    'tables out of order, odd blanks, no last line end': [
      `version=2\n[ plugins . "io.containerd.grpc.v1.cri" . containerd.runtimes.runc.options ]\nBinaryName=""\n[a]\nb=1\n${p}.runtimes.runc]\nruntime_type="io.containerd.runc.v2"`,
      `version=2\n[ plugins . "io.containerd.grpc.v1.cri" . containerd.runtimes.runc.options ]\nBinaryName=""\nSystemdCgroup = true\n[a]\nb=1\n${p}.runtimes.runc]\nruntime_type="io.containerd.runc.v2"`,
    ],
  }
  for (const [name, [before, after]] of Object.entries(cases)) {
    t.equal(render(found(before), { cgroupDriver: 'systemd' }).text, after, name)
  }
})

const nvidia = `version = 2

[plugins]

  [plugins."io.containerd.grpc.v1.cri"]

    [plugins."io.containerd.grpc.v1.cri".containerd]
      default_runtime_name = "nvidia"

      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes]

        [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.nvidia]
          privileged_without_host_devices = false
          runtime_type = "io.containerd.runc.v2"

          [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.nvidia.options]
            BinaryName = "/usr/bin/nvidia-container-runtime"
            # set by nvidia-ctk

        [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
          runtime_type = "io.containerd.runc.v2"
          [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
            SystemdCgroup = true
        [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.kata]
          runtime_type = "io.containerd.kata.v2"
`

t.test('every runc-type handler gets the driver, the rest of it and other types stay', async (t) => {
  const { text, action } = render(found(nvidia), { cgroupDriver: 'systemd' })
  t.equal(text, nvidia.replace('container-runtime"\n', 'container-runtime"\n            SystemdCgroup = true\n'))
  t.equal(action, 'DrainRestart')
})

t.test('what a handler names stays unless the target says otherwise', async (t) => {
  const same = render(found(nvidia), { handlers: [{ name: 'nvidia', type: 'runc', default: true }] })
  t.match(same, { edits: [] }, 'a wrapper is left alone')
  const other = render(found(nvidia), {
    handlers: [{ name: 'nvidia', type: 'runc', default: true, binary: '/usr/sbin/runc' }],
  })
  t.match(other.text, /BinaryName = "\/usr\/sbin\/runc"\n\s+# set by/)
  const changed = render(found(nvidia), { handlers: [{ ...crun, name: 'runc' }] })
  t.match(
    changed.text,
    /runtimes\.runc\.options\]\n\s+SystemdCgroup = true\n\s+BinaryName = "\/usr\/bin\/crun"/,
    'runc becomes crun',
  )
  t.equal(changed.action, 'DrainRestart')
  const options = {
    podAnnotations: ['run.oci.*'],
    privilegedWithoutHostDevices: true,
    options: { root: '/run/crun', noNewKeyring: true },
  }
  const added = render(found(nvidia), { handlers: [{ ...crun, ...options }] })
  t.match(
    added.text,
    /\.crun\]\n\s+runtime_type = .*\n\s+pod_annotations = \["run\.oci\.\*"\]\n\s+privileged_without_host_devices = true\n/,
  )
  t.match(
    added.text,
    /BinaryName = "\/usr\/bin\/crun"\n\s+Root = "\/run\/crun"\n\s+NoNewKeyring = true\n\s+SystemdCgroup = false\n/,
    'the driver of the default handler',
  )
  t.equal(added.action, 'Restart', 'a new handler disturbs no pod')
})

t.test('actions', async (t) => {
  const text = containerdConfig(3, { cgroupDriver: 'systemd', sandboxImage: 'x/pause:1' })
  const cases: [Omit<Target, 'engine'>, string][] = [
    [{ sandboxImage: 'x/pause:2' }, 'Restart'],
    [{ handlers: [runc, crun] }, 'Restart'],
    [
      {
        handlers: [
          { ...runc, default: false },
          { ...crun, default: true },
        ],
      },
      'DrainRestart',
    ],
    [{ cgroupDriver: 'cgroupfs' }, 'DrainRestart'],
    [{ handlers: [{ ...runc, options: { root: '/run/x' } }] }, 'DrainRestart'],
  ]
  for (const [wanted, action] of cases)
    t.equal(render(found(text, '2.3.7'), wanted).action, action, JSON.stringify(wanted))
})

t.test('a file of 1.x that names only another handler gets its runc back', async (t) => {
  const text = `version = 2\n[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.kata]\nruntime_type = "io.containerd.kata.v2"\n`
  t.match(render(found(text), {}).text, /runtimes\.runc\]\nruntime_type = "io\.containerd\.runc\.v2"/)
  t.match(render(found(text, '2.3.7'), {}), { edits: [] }, '2.x keeps it by itself')
})

t.test('a file as the packages of Docker bring it gets its CRI plugin back', async (t) => {
  const text =
    '# Copyright\n\ndisabled_plugins = ["cri"]\n\n#root = "/var/lib/containerd"\n#[grpc]\n#  address = "/x"\n'
  const { text: after } = render(found(text), { cgroupDriver: 'systemd' })
  t.match(after, /^# Copyright\n\ndisabled_plugins = \[\]\nversion = 2\n\n#root/)
  t.match(after, /options\]\n\s+SystemdCgroup = true/)
  t.match(
    render(found(text, '2.3.7'), {}).text,
    /disabled_plugins = \[\]\nversion = 3\n/,
    'with nothing else asked for',
  )
  const named = 'version = 2\ndisabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.x.v1.y"]\n'
  t.match(render(found(named), {}).text, 'version = 2\ndisabled_plugins = ["io.containerd.x.v1.y"]\n')
  t.match(refusal(found('disabled_plugins = ["cri", "aufs"]\n'), {}), { reason: 'ConfigVersionMissing' })
  const imports = { '/etc/x.toml': 'version = 3\ndisabled_plugins = ["io.containerd.cri.v1.runtime"]\n' }
  t.match(refusal(found('version = 3\n', '2.3.7', imports), {}), { reason: 'CriDisabled', message: /x\.toml:2/ })
})

t.test('CNI plugins that lie where the program does not look', async (t) => {
  const list = `[plugins."io.containerd.cri.v1.runtime".cni]`
  const where = (text: string | undefined, version: string, cni: Partial<Found>) => ({
    ...found(text, version),
    ...cni,
  })
  const debian = { cniFolders: ['/usr/lib/cni'], cniDefaults: ['/opt/cni/bin'] }
  const added = render(where('version = 3\n', '2.3.7', debian), {})
  t.equal(added.text, `version = 3\n\n${list}\n  bin_dirs = ["/opt/cni/bin", "/usr/lib/cni"]\n`)
  const pasts = new Map([[path, { original: Buffer.from('version = 3\n'), written: added.edits[0]!.after }]])
  const later = where(added.text, '2.3.7', { cniFolders: ['/opt/cni/bin', '/usr/lib/cni'] })
  t.same(render(later, {}, pasts).edits, [], 'twice is once')
  t.match(
    render(where('version = 3\n', '2.0.4', debian), {}).text,
    /cni\]\n {2}bin_dir = "\/usr\/lib\/cni"/,
    '2.0 has no list',
  )
  t.match(
    render(where(undefined, '1.7.24', debian), {}).text,
    /^version = 2\n\n\[.*cri"\.cni\]\n {2}bin_dir = "\/usr\/lib\/cni"/,
  )
  const single = `version = 3\n${list}\nbin_dir = "/opt/cni/bin" # old\n`
  t.match(
    render(where(single, '2.3.7', debian), {}).text,
    /cni\]\n.*bin_dirs = \["\/opt\/cni\/bin", "\/usr\/lib\/cni"\]/s,
  )
  t.notMatch(render(where(single, '2.3.7', debian), {}).text, /bin_dir =/)
  for (const [version, text, message] of [
    [
      '2.3.7',
      `version = 3\n${list}\nbin_dir = "/x"\n`,
      /x\.toml:3 is .*: write bin_dirs = \["\/x","\/usr\/lib\/cni"\]/,
    ],
    ['2.3.7', `${list}\nbin_dirs = ["/x"]\n`, /x\.toml:2 is .*: write bin_dirs = \["\/x","\/usr\/lib\/cni"\]/],
    ['2.0.4', `version = 3\n${list}\nbin_dir = "/x"\n`, /x\.toml:3 is .*: write bin_dir = "\/usr\/lib\/cni"/],
  ] as const) {
    const files = found('version = 3\n', version, { '/etc/x.toml': text })
    t.match(refusal({ ...files, ...debian }, {}), { reason: 'ConfigOverridden', message }, 'an import decides')
  }
  for (const fine of [{ cniFolders: ['/opt/cni/bin'], cniDefaults: ['/opt/cni/bin/'] }, { cniFolders: [] }]) {
    t.same(render(where('version = 3\n', '2.3.7', fine), {}).edits, [])
  }
})

t.test('refused, with the file, the line and what to do', async (t) => {
  const cri = 'plugins."io.containerd.grpc.v1.cri"'
  const wanted = { cgroupDriver: 'systemd' } as const
  const cases: [string, Found, string, RegExp][] = [
    [
      'no version',
      found('[plugins.cri]\nsandbox_image = "x"\n'),
      'ConfigVersionMissing',
      /config\.toml has no "version" line.*containerd config migrate/,
    ],
    [
      'version 1',
      found('root = "/x"\nversion = 1\n'),
      'ConfigVersionOld',
      /config\.toml:2 is of version 1: run "containerd config migrate"/,
    ],
    [
      'newer than known',
      found('version = 5\n', '2.9.0'),
      'ConfigVersionNew',
      /config\.toml:1 is of version 5.*at most version 4/,
    ],
    ['newer than the daemon', found('version = 3\n', '1.7.24'), 'ConfigVersionNew', /at most version 2/],
    ['not TOML', found('version = 2\nx = = 1\n'), 'ConfigInvalid', /config\.toml:2 is not valid TOML/],
    [
      'template of k3s',
      found('version = 2\n{{ template "base" . }}\n'),
      'ConfigInvalid',
      /config\.toml:2 is not valid TOML/,
    ],
    [
      'undefined default',
      found(`version = 2\n[${cri}.containerd]\ndefault_runtime_name = "kata"\n`),
      'DefaultHandlerUndefined',
      /config\.toml:3 makes "kata" the default handler/,
    ],
    [
      'array of handlers',
      found(`version = 2\n[[${cri}.containerd.runtimes]]\nx = 1\n`),
      'ConfigNotEditable',
      /config\.toml:\d+ cannot be edited safely/,
    ],
    [
      'import on 1.x',
      found('version = 2\n', '1.7.24', { '/etc/x.toml': `version = 2\n[${cri}]\n` }),
      'ConfigImported',
      /\/etc\/x\.toml:2 is imported.*replaces/,
    ],
    [
      'import on 2.x',
      found('version = 3\n', '2.3.7', {
        '/etc/containerd/conf.d/99-nvidia.toml': `version = 2\n[${cri}.containerd.runtimes.nvidia]\nruntime_type = "io.containerd.runc.v2"\n`,
      }),
      'ConfigOverridden',
      /99-nvidia\.toml:2 is imported and decides over .*runtimes\.nvidia\.options\.SystemdCgroup, which must be true/,
    ],
    [
      'import without a version on 2.x, in keys of another one than the main file',
      found('version = 3\n', '2.3.7', {
        '/etc/x.toml': `\n[${cri}.containerd.runtimes.nvidia]\nruntime_type = "io.containerd.runc.v2"\n[${cri}.containerd.runtimes.nvidia.options]\nSystemdCgroup = false\n`,
      }),
      'ConfigOverridden',
      /x\.toml:5 is imported and decides over plugins\.io\.containerd\.grpc\.v1\.cri\..*SystemdCgroup, which must be true/,
    ],
    [
      'import of one key on 2.x',
      found('version = 3\n', '2.3.7', {
        '/etc/x.toml': `[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]\nSystemdCgroup = false\n`,
      }),
      'ConfigOverridden',
      /\/etc\/x\.toml:2 is imported/,
    ],
  ]
  for (const [name, where, reason, message] of cases) t.match(refusal(where, wanted), { reason, message }, name)
  const bytes = { ...found(''), configFiles: [{ path, bytes: Buffer.from([0x23, 0xff, 0xfe]) }] as const }
  t.match(refusal(bytes, wanted), { reason: 'ConfigNotText' })
  t.match(refusal({ ...found(debian12), ociRuntimes: [] }, { handlers: [crun] }), {
    reason: 'RuntimeNotInstalled',
    message: /needs crun, which is in none of \/usr\/sbin, \/usr\/bin/,
  })
})

t.test('a file that somebody has edited since', async (t) => {
  const once = render(found(debian12), { cgroupDriver: 'systemd', handlers: [runc, crun] })
  const pasts = new Map([[path, { original: Buffer.from(debian12), written: once.edits[0]!.after }]])
  const theirs = `${once.text!.replace('"/usr/bin/crun"', '"/opt/crun"')}\n# theirs\n[debug]\n  level = "debug"\n`
  t.match(
    render(found(theirs), { cgroupDriver: 'systemd', handlers: [runc, { ...crun, binary: '/opt/crun' }] }, pasts),
    { edits: [] },
    'says what is wanted: stays',
  )
  const { text, edits } = render(found(theirs), { cgroupDriver: 'systemd' }, pasts)
  t.match(text, /# theirs\n\[debug\]/)
  t.match(text, /runtimes\.crun\.options\]\n\s+BinaryName = "\/opt\/crun"/, 'what they changed in our table stays')
  t.notMatch(text, /runtimes\.crun\]\n\s+runtime_type/)
  t.equal(edits[0]!.before!.toString(), theirs)
  t.notMatch(`${edits[0]!.original}`, /SystemdCgroup/, 'the original is theirs without ours')
})
