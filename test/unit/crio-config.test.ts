import t from 'tap'
import { actionFor } from '../../node-agent/engines/crio/action.ts'
import { allowedFor } from '../../node-agent/engines/crio/annotations.ts'
import { renderConfig } from '../../node-agent/engines/crio/config.ts'
import { layout } from '../../node-agent/engines/crio/layout.ts'
import {
  type FileEdit,
  type Found,
  isRefusal,
  type Pasts,
  type Refusal,
  type Target,
} from '../../node-agent/engines/engine.ts'

const own = '/etc/crio/crio.conf.d/99-drydock.conf'
const main = '/etc/crio/crio.conf'
const policy = '/etc/crio/policy.json'
const registries = '/etc/containers/registries.conf.d/90-drydock.conf'
const noPasts: Pasts = new Map()
const written = '# Written by Drydock: what the RuntimeProfile of this node asks for.\n'

const defaults = `[crio]
[crio.api]
listen = "/var/run/crio/crio.sock"
[crio.runtime]
default_runtime = "crun"
cgroup_manager = "systemd"
conmon_cgroup = ""
[crio.runtime.runtimes.crun]
runtime_path = ""
runtime_type = "oci"
runtime_root = "/run/crun"
inherit_default_runtime = false
container_min_memory = "500KiB"
monitor_path = ""
monitor_env = ["PATH=/usr/bin"]
allowed_annotations = ["io.containers.trace-syscall"]
privileged_without_host_devices = false

hostnetwork_disable_selinux = true
timezone = ""
[crio.image]
pause_image = "registry.k8s.io/pause:3.10.1"
signature_policy = ""
[crio.network]
plugin_dirs = ["/opt/cni/bin/"]
`

/** As the packages of the CRI-O project install it. */
const packaged = {
  '/etc/crio/crio.conf.d/10-crio.conf': `[crio.image]
signature_policy = "/etc/crio/policy.json"

[crio.runtime]
default_runtime = "crun"

[crio.runtime.runtimes.crun]
runtime_path = "/usr/libexec/crio/crun"
runtime_root = "/run/crun"
monitor_path = "/usr/libexec/crio/conmon"
allowed_annotations = [
    "io.containers.trace-syscall",
]

[crio.runtime.runtimes.runc]
runtime_path = "/usr/libexec/crio/runc"
runtime_root = "/run/runc"
monitor_path = "/usr/libexec/crio/conmon"
`,
  '/etc/containers/registries.conf.d/crio.conf': 'unqualified-search-registries = ["docker.io"]\n',
}

const settled = { '/etc/containers/policy.json': '{}', '/etc/containers/registries.conf': packagedRegistries() }

function packagedRegistries(): string {
  return 'unqualified-search-registries = ["docker.io"]\n'
}

interface Given {
  readonly files?: Readonly<Record<string, string>>
  readonly cniFolders?: readonly string[]
  readonly programs?: readonly string[]
}

function found({ files = {}, cniFolders = [], programs = ['/usr/bin/crun', '/usr/sbin/runc'] }: Given): Found {
  const others = [...new Set([main, ...Object.keys(files), policy, '/etc/containers/policy.json', registries])]
  const bytes = (path: string) => (files[path] === undefined ? undefined : Buffer.from(files[path]))
  return {
    observed: { engine: { name: 'cri-o', version: '1.36.3', configPath: main } },
    configFiles: [
      { path: own, bytes: bytes(own) },
      ...others.filter((path) => path !== own).map((path) => ({ path, bytes: bytes(path) })),
    ],
    ociRuntimes: programs.map((path) => {
      const kind = path.endsWith('crun') ? 'crun' : path.endsWith('runc') ? 'runc' : 'other'
      return { path, kind, version: '1.0.0' }
    }),
    searchPath: ['/usr/sbin', '/usr/bin'],
    defaults,
    cniFolders,
  }
}

type Wanted = Omit<Target, 'engine'>
const target = (wanted: Wanted): Target => ({ engine: { name: 'cri-o' }, ...wanted })

function render(where: Found, wanted: Wanted, pasts = noPasts) {
  const edits = renderConfig(where, target(wanted), pasts)
  if (isRefusal(edits)) throw new Error(edits.message)
  const text = edits.find(({ path }) => path === own)?.after?.toString()
  return { text, edits, action: actionFor(where, edits), paths: edits.map(({ path }) => path) }
}

function refusal(where: Found, wanted: Wanted, pasts = noPasts): Refusal {
  const edits = renderConfig(where, target(wanted), pasts)
  if (!isRefusal(edits)) throw new Error(`not refused: ${edits[0]?.after}`)
  return edits
}

/** The host after an edit, and what is remembered of it. */
function after(where: Found, edits: readonly FileEdit[]): { found: Found; pasts: Pasts } {
  const bytesOf = (path: string, now: Buffer | undefined) => {
    const edit = edits.find((each) => each.path === path)
    return edit ? edit.after : now
  }
  const [first, ...rest] = where.configFiles
  return {
    found: {
      ...where,
      configFiles: [
        { path: first.path, bytes: bytesOf(first.path, first.bytes) },
        ...rest.map(({ path, bytes }) => ({ path, bytes: bytesOf(path, bytes) })),
      ],
    },
    pasts: new Map(edits.map(({ path, original, after }) => [path, { original, written: after }])),
  }
}

const runc = { name: 'runc', type: 'runc', default: true } as const
const crun = { name: 'crun', type: 'crun', default: false } as const

t.test('a host that never had CRI-O gets a policy and a registry with what is asked for', async (t) => {
  const where = found({ cniFolders: ['/usr/lib/cni'] })
  const wanted: Wanted = {
    cgroupDriver: 'systemd',
    handlers: [
      { ...crun, default: true },
      { ...runc, default: false },
    ],
    sandboxImage: 'registry.k8s.io/pause:3.10.2',
  }
  const { text, edits, paths, action } = render(where, wanted)
  t.equal(
    text,
    `${written}[crio.image]
pause_image = "registry.k8s.io/pause:3.10.2"
signature_policy = "/etc/crio/policy.json"

[crio.network]
plugin_dirs = ["/opt/cni/bin/", "/usr/lib/cni"]

[crio.runtime.runtimes.crun]
container_min_memory = "500KiB"
monitor_env = ["PATH=/usr/bin"]
allowed_annotations = ["io.containers.trace-syscall"]
runtime_type = "oci"
runtime_root = "/run/crun"

[crio.runtime.runtimes.runc]
runtime_type = "oci"
runtime_root = "/run/runc"
runtime_path = "/usr/sbin/runc"
`,
  )
  t.same(paths, [own, policy, registries])
  t.match(`${edits[1]?.after}`, /"insecureAcceptAnything"/)
  t.match(`${edits[2]?.after}`, /^unqualified-search-registries = \["docker\.io"\]$/m)
  t.equal(action, 'Restart', 'nothing that is there changes')
  const then = after(where, edits)
  t.same(render(then.found, wanted, then.pasts).edits, [], 'and the next look finds nothing to do')
})

t.test('a packaged CRI-O', async (t) => {
  const where = found({
    files: packaged,
    programs: ['/usr/libexec/crio/crun', '/usr/libexec/crio/runc', '/usr/bin/crun'],
  })
  t.test('has what is asked for: nothing is written', async (t) => {
    const { edits, action } = render(where, { cgroupDriver: 'systemd', handlers: [{ ...crun, default: true }] })
    t.same(edits, [])
    t.equal(action, 'None')
  })
  t.test('another default is another handler for pods without one', async (t) => {
    const { text, action } = render(where, { handlers: [runc, crun] })
    t.equal(text, `${written}[crio.runtime]\ndefault_runtime = "runc"\n`)
    t.equal(action, 'DrainRestart')
  })
  t.test('a new handler takes the monitor of the default one, and disturbs nothing', async (t) => {
    const fast = { name: 'fast', type: 'crun', default: false, options: { root: '/run/fast' } } as const
    const { text, action } = render(where, { handlers: [fast] })
    t.equal(
      text,
      `${written}[crio.runtime.runtimes.fast]
runtime_type = "oci"
runtime_root = "/run/fast"
monitor_path = "/usr/libexec/crio/conmon"
runtime_path = "/usr/libexec/crio/crun"
`,
    )
    t.equal(action, 'Restart')
  })
  t.test('a handler that changes is spelled whole, or CRI-O forgets the rest of it', async (t) => {
    const { text, action } = render(where, {
      handlers: [
        {
          ...runc,
          default: false,
          binary: '/opt/wrap',
          podAnnotations: ['run.oci.*'],
          privilegedWithoutHostDevices: true,
        },
      ],
    })
    t.equal(
      text,
      `${written}[crio.runtime.runtimes.runc]
runtime_root = "/run/runc"
monitor_path = "/usr/libexec/crio/conmon"
runtime_path = "/opt/wrap"
allowed_annotations = ["run.oci."]
privileged_without_host_devices = true
`,
    )
    t.equal(action, 'DrainRestart')
  })
  t.test('a pause image disturbs nothing', async (t) => {
    const { text, action } = render(where, { sandboxImage: 'registry.example/pause:3.10' })
    t.equal(text, `${written}[crio.image]\npause_image = "registry.example/pause:3.10"\n`)
    t.equal(action, 'Restart')
  })
  t.test('cgroupfs needs the monitor in the cgroup of the pod', async (t) => {
    const { text, action } = render(where, { cgroupDriver: 'cgroupfs' })
    t.equal(text, `${written}[crio.runtime]\ncgroup_manager = "cgroupfs"\nconmon_cgroup = "pod"\n`)
    t.equal(action, 'DrainRestart')
  })
})

t.test('what somebody has written stays, and is taken into account', async (t) => {
  t.test('a wrapper that a handler names, and a vm handler of the same name', async (t) => {
    const text = `[crio.runtime]
default_runtime = "runc"
[crio.runtime.runtimes.runc]
runtime_path = "/opt/wrapper"
[crio.runtime.runtimes.crun]
runtime_path = "/opt/containerd-shim-kata-v2"
runtime_type = "vm"
`
    const where = found({ files: { ...settled, [main]: text }, programs: ['/opt/wrapper', '/usr/bin/crun'] })
    const { text: ours } = render(where, { handlers: [runc, crun] })
    t.equal(ours, `${written}[crio.runtime.runtimes.crun]\nruntime_type = "oci"\nruntime_path = "/usr/bin/crun"\n`)
  })
  t.test('a monitor in the cgroup of the pod under systemd', async (t) => {
    const where = found({ files: { ...settled, [main]: '[crio.runtime]\nconmon_cgroup = "pod"\n' } })
    t.equal(render(where, { cgroupDriver: 'systemd' }).text, undefined)
    t.equal(render(where, { cgroupDriver: 'cgroupfs' }).text, `${written}[crio.runtime]\ncgroup_manager = "cgroupfs"\n`)
  })
  t.test('an edit of our drop-in, until the profile goes', async (t) => {
    const where = found({ files: settled })
    const wanted: Wanted = { sandboxImage: 'x/pause:1' }
    const first = render(where, wanted)
    const { found: then, pasts } = after(where, first.edits)
    const edited = `${first.text}\n[crio.runtime]\n  log_level = "debug"\n`
    const now = {
      ...then,
      configFiles: [{ path: own, bytes: Buffer.from(edited) }, ...then.configFiles.slice(1)] as const,
    }
    t.same(render(now, wanted, pasts).edits, [], 'it says what is wanted')
    t.equal(
      render(now, { sandboxImage: 'x/pause:2' }, pasts).text,
      `${written}\n[crio.runtime]\n  log_level = "debug"\n\n[crio.image]\n  pause_image = "x/pause:2"\n`,
    )
    const { text, edits } = render(now, {}, pasts)
    t.equal(text, `${written}\n[crio.runtime]\n  log_level = "debug"\n`, 'ours goes when nobody asks for it any more')
    t.equal(edits[0]?.original?.toString(), text)
  })
  t.test('a drop-in with nothing to say goes', async (t) => {
    const where = found({ files: settled })
    const first = render(where, { sandboxImage: 'x/pause:1' })
    const { found: then, pasts } = after(where, first.edits)
    const { edits } = render(then, {}, pasts)
    t.match(edits, [{ path: own, after: undefined, original: undefined }])
  })
})

t.test('files that CRI-O shares', async (t) => {
  t.same(render(found({ files: settled }), {}).paths, [])
  const old = { ...settled, '/etc/containers/registries.conf': '[registries.search]\nregistries = ["docker.io"]\n' }
  t.same(render(found({ files: old }), {}).paths, [], 'the first format of registries.conf')
  const short = { ...settled, '/etc/containers/registries.conf': '# unqualified-search-registries = ["example"]\n' }
  t.same(render(found({ files: short }), {}).paths, [registries], 'as Debian has it')
  t.equal(render(found({ files: short }), {}).action, 'Restart')
  const here = { ...short, [main]: '[crio.runtime]\nlog_level = "info"\n' }
  t.same(render(found({ files: here }), {}).paths, [], 'a CRI-O that was there before keeps its way with names')
  const files = { '/etc/containers/registries.conf': packagedRegistries(), [policy]: '{"mine":1}' }
  const { text, paths } = render(found({ files }), {})
  t.same(paths, [own], 'a policy that somebody has put where ours would be serves as well')
  t.match(text, /signature_policy = "\/etc\/crio\/policy\.json"/)
  const where = found({ files: {} })
  const { found: then, pasts } = after(where, render(where, {}).edits)
  const settledSince = {
    ...then,
    configFiles: then.configFiles.map((file) =>
      file.path === '/etc/containers/policy.json' ? { ...file, bytes: Buffer.from('{}') } : file,
    ) as unknown as Found['configFiles'],
  }
  t.match(render(settledSince, {}, pasts).edits, [
    { path: own, after: undefined },
    { path: policy, after: undefined },
  ])
})

t.test('refused before anything is touched', async (t) => {
  const cases: readonly [string, Given, Wanted, string, RegExp][] = [
    [
      'a drop-in that sorts after ours and decides',
      {
        files: {
          ...settled,
          '/etc/crio/crio.conf.d/zz-site.conf': '# x\n[crio.runtime]\ncgroup_manager = "cgroupfs"\n',
        },
      },
      { cgroupDriver: 'systemd' },
      'ConfigOverridden',
      /^\/etc\/crio\/crio\.conf\.d\/zz-site\.conf:3 is read after .*99-drydock\.conf and decides over crio\.runtime\.cgroup_manager, which must be "systemd"/,
    ],
    [
      "a later table of a handler, which takes all of the handler's keys away",
      {
        files: {
          ...settled,
          '/etc/crio/crio.conf.d/99-z/deep.conf': '\n[crio.runtime.runtimes.runc]\nruntime_root = "/run/other"\n',
        },
      },
      { handlers: [runc] },
      'ConfigOverridden',
      /99-z\/deep\.conf:2 .* crio\.runtime\.runtimes\.runc\.runtime_type, which must be "oci"/,
    ],
    [
      'a runtime that is nowhere',
      { files: settled, programs: [] },
      { handlers: [runc] },
      'RuntimeNotInstalled',
      /needs runc, which is in none of \/usr\/sbin, \/usr\/bin/,
    ],
    [
      'an option that CRI-O does not have',
      { files: settled },
      { handlers: [{ ...runc, options: { noNewKeyring: true } }] },
      'OptionNotSupported',
      /handler "runc": CRI-O has no setting for options\.noNewKeyring/,
    ],
    [
      'a default handler without a table',
      { files: { ...settled, [main]: '[crio.runtime]\ndefault_runtime = "kata"\n' } },
      {},
      'DefaultHandlerUndefined',
      /default handler is "kata", but no table/,
    ],
    [
      'a file that is no TOML',
      { files: { ...settled, [main]: 'x = [\n' } },
      {},
      'ConfigInvalid',
      /crio\.conf:\d+ is not valid TOML/,
    ],
    [
      'registries that are no TOML',
      { files: { ...settled, '/etc/containers/registries.conf': 'x = [\n' } },
      {},
      'ConfigInvalid',
      /registries\.conf:\d+ is not valid TOML/,
    ],
  ]
  for (const [name, given, wanted, reason, message] of cases) {
    t.test(name, async (t) => t.match(refusal(found(given), wanted), { reason, message }))
  }
  t.test('a later drop-in that agrees is no obstacle', async (t) => {
    const files = {
      ...settled,
      '/etc/crio/crio.conf.d/zz.conf': '[crio.runtime]\ncgroup_manager = "cgroupfs"\nconmon_cgroup = "pod"\n',
    }
    t.match(render(found({ files }), { cgroupDriver: 'cgroupfs' }).text, /cgroup_manager = "cgroupfs"/)
  })
  t.test('what cannot be read is drained', async (t) => {
    const where = found({ files: { ...settled, [main]: 'x = [\n' } })
    t.equal(
      actionFor(where, [{ path: own, before: undefined, after: Buffer.from(''), original: undefined }]),
      'DrainRestart',
    )
  })
})

t.test(
  'the built-in handler, changed: what it has by itself stays, and nothing that CRI-O prints out of place',
  async (t) => {
    const { text } = render(found({ files: { ...settled, [main]: '[crio.runtime]\nlog_level = "info"\n' } }), {
      handlers: [{ ...crun, default: true, privilegedWithoutHostDevices: true }],
    })
    t.equal(
      text,
      `${written}[crio.runtime.runtimes.crun]
container_min_memory = "500KiB"
monitor_env = ["PATH=/usr/bin"]
allowed_annotations = ["io.containers.trace-syscall"]
runtime_type = "oci"
runtime_root = "/run/crun"
privileged_without_host_devices = true
`,
    )
  },
)

t.test('annotations: CRI-O restricts some, and passes the rest anyway', async (t) => {
  t.same(allowedFor(['io.katacontainers.*', 'example.com/x']), [])
  t.same(allowedFor(['run.oci.handler', 'org.systemd.property.TimeoutStopUSec']), ['run.oci.', 'org.systemd.property.'])
  t.same(allowedFor(['io.kubernetes.cri-o.Sh*', 'io.containers.trace-syscall']), [
    'io.containers.trace-syscall',
    'io.kubernetes.cri-o.ShmSize',
  ])
})

t.test('the static bundle', async (t) => {
  const folder = '/opt/drydock/engines/cri-o-0123456789ab'
  const drop = layout.dropInText(folder)
  t.match(
    drop,
    /^ExecStart=\nEnvironment=PATH=\/opt\/drydock\/engines\/cri-o-0123456789ab\/cri-o\/bin:\/usr\/local\/sbin/m,
  )
  t.match(drop, /^ExecStart=\/opt\/drydock\/engines\/cri-o-0123456789ab\/cri-o\/bin\/crio \$CRIO_CONFIG_OPTIONS /m)
  const whole = layout.unitText(folder)
  t.match(whole, /^Type=notify$/m)
  t.match(whole, /^WantedBy=multi-user\.target$/m)
  t.match(whole, /^ExecStart=\/opt\/drydock\/.*\/crio /m)
})
