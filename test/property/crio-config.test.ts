import fc from 'fast-check'
import t from 'tap'
import { actionFor } from '../../node-agent/engines/crio/action.ts'
import { renderConfig, withOwn } from '../../node-agent/engines/crio/config.ts'
import { type FileEdit, type Found, isRefusal, type Pasts, type Target } from '../../node-agent/engines/engine.ts'
import { type Tree, valueAt } from '../../node-agent/engines/toml/tree.ts'

const runs = { numRuns: Number(process.env['DRYDOCK_PROPERTY_RUNS'] ?? 150) }
const own = '/etc/crio/crio.conf.d/99-drydock.conf'
const main = '/etc/crio/crio.conf'

const defaults = `[crio.runtime]
default_runtime = "crun"
cgroup_manager = "systemd"
conmon_cgroup = ""
[crio.runtime.runtimes.crun]
runtime_path = ""
runtime_type = "oci"
runtime_root = "/run/crun"
allowed_annotations = ["io.containers.trace-syscall"]
[crio.image]
pause_image = "registry.k8s.io/pause:3.10.1"
signature_policy = ""
[crio.network]
plugin_dirs = ["/opt/cni/bin/"]
`

/** A file as people and packages write them: some settings of ours, some of their own. */
const settings: fc.Arbitrary<string> = fc
  .record(
    {
      driver: fc.constantFrom('systemd', 'cgroupfs'),
      monitor: fc.constantFrom('pod', 'system.slice', ''),
      chosen: fc.constantFrom('crun', 'runc'),
      image: fc.constantFrom('x/pause:1', 'x/pause:2'),
      runc: fc.record(
        { path: fc.constantFrom('', '/usr/sbin/runc', '/opt/wrapper'), root: fc.constantFrom('/run/runc', '/run/x') },
        { requiredKeys: ['path'] },
      ),
      crun: fc.record(
        { path: fc.constantFrom('/usr/bin/crun', '/opt/kata'), type: fc.constantFrom('oci', 'vm', '') },
        { requiredKeys: ['path'] },
      ),
      level: fc.constantFrom('info', 'debug'),
      folders: fc.constantFrom('["/usr/lib/cni"]', '["/opt/cni/bin"]'),
    },
    { requiredKeys: [] },
  )
  .map(({ driver, monitor, chosen, image, runc, crun, level, folders }) =>
    [
      '# by hand',
      '[crio.runtime]',
      ...(level ? [`log_level = "${level}"   # loud`] : []),
      ...(driver ? [`cgroup_manager = "${driver}"`] : []),
      ...(monitor === undefined ? [] : [`conmon_cgroup = "${monitor}"`]),
      ...(chosen ? [`default_runtime = "${chosen}"`] : []),
      // What names a default handler defines it, or CRI-O does not start with the file.
      ...(runc || chosen === 'runc' ? ['[crio.runtime.runtimes.runc]', `runtime_path = "${runc?.path ?? ''}"`] : []),
      ...(runc?.root ? [`runtime_root = "${runc.root}"`] : []),
      ...(crun ? ['[crio.runtime.runtimes.crun]', `runtime_path = "${crun.path}"`] : []),
      ...(crun?.type === undefined ? [] : [`runtime_type = "${crun.type}"`]),
      ...(image ? ['[crio.image]', `pause_image = "${image}"`] : []),
      ...(folders ? ['[crio.network]', `plugin_dirs = ${folders}`] : []),
      '',
    ].join('\n'),
  )

const files: fc.Arbitrary<Readonly<Record<string, string>>> = fc
  .record({ main: settings, '10-a.conf': settings, '50-b/c.conf': settings }, { requiredKeys: [] })
  .map((given) =>
    Object.fromEntries(
      Object.entries(given).map(([name, text]) => [name === 'main' ? main : `/etc/crio/crio.conf.d/${name}`, text]),
    ),
  )

const target: fc.Arbitrary<Target> = fc
  .record({
    driver: fc.constantFrom('systemd' as const, 'cgroupfs' as const, undefined),
    image: fc.constantFrom('registry.example/pause:3.10', undefined),
    names: fc.uniqueArray(fc.constantFrom('runc', 'crun', 'extra'), { maxLength: 3 }),
    chosen: fc.nat(2),
    root: fc.boolean(),
    binary: fc.boolean(),
    privileged: fc.constantFrom(true, false, undefined),
  })
  .map(({ driver, image, names, chosen, root, binary, privileged }) => ({
    engine: { name: 'cri-o' as const },
    ...(driver ? { cgroupDriver: driver } : {}),
    ...(image ? { sandboxImage: image } : {}),
    ...(names.length > 0
      ? {
          handlers: names.map((name, at) => ({
            name,
            type: name === 'crun' ? ('crun' as const) : ('runc' as const),
            default: at === chosen % names.length,
            ...(root ? { options: { root: `/run/drydock-${name}` } } : {}),
            ...(binary ? { binary: `/opt/${name}` } : {}),
            ...(privileged === undefined ? {} : { privilegedWithoutHostDevices: privileged }),
          })),
        }
      : {}),
  }))

function found(texts: Readonly<Record<string, string>>, cniFolders: readonly string[] = []): Found {
  const paths = [...new Set([main, ...Object.keys(texts), '/etc/crio/policy.json', '/etc/containers/policy.json'])]
  const bytes = (path: string) => (texts[path] === undefined ? undefined : Buffer.from(texts[path]))
  return {
    observed: { engine: { name: 'cri-o', configPath: main } },
    configFiles: [
      { path: own, bytes: bytes(own) },
      ...paths.filter((path) => path !== own).map((path) => ({ path, bytes: bytes(path) })),
      { path: '/etc/containers/registries.conf.d/90-drydock.conf', bytes: undefined },
    ],
    ociRuntimes: [
      { path: '/usr/sbin/runc', kind: 'runc', version: '1' },
      { path: '/usr/bin/crun', kind: 'crun', version: '1' },
      { path: '/opt/wrapper', kind: 'other', version: undefined },
    ],
    searchPath: ['/usr/sbin', '/usr/bin'],
    defaults,
    cniFolders,
  }
}

function edits(where: Found, wanted: Target, pasts: Pasts = new Map()): readonly FileEdit[] {
  const rendered = renderConfig(where, wanted, pasts)
  if (isRefusal(rendered)) throw new Error(rendered.message)
  return rendered
}

function after(where: Found, changes: readonly FileEdit[]): { found: Found; pasts: Pasts } {
  const each = ({ path, bytes }: { path: string; bytes: Buffer | undefined }) => {
    const edit = changes.find((change) => change.path === path)
    return { path, bytes: edit ? edit.after : bytes }
  }
  const [first, ...rest] = where.configFiles
  return {
    found: { ...where, configFiles: [each(first), ...rest.map(each)] },
    pasts: new Map(changes.map(({ path, original, after }) => [path, { original, written: after }])),
  }
}

const treeOf = (where: Found): Tree => withOwn(where, where.configFiles[0].bytes)

/** What the target asks for, by path; undefined values are not asked for. */
function asked({ cgroupDriver, handlers = [], sandboxImage }: Target): readonly [string, unknown][] {
  const chosen = handlers.find((handler) => handler.default)
  return [
    ['default_runtime', chosen?.name],
    ['cgroup_manager', cgroupDriver],
    ['conmon_cgroup', cgroupDriver === 'cgroupfs' ? 'pod' : undefined],
    ...handlers.flatMap(({ name, binary, options, privilegedWithoutHostDevices }): [string, unknown][] => [
      [`runtimes.${name}.runtime_path`, binary],
      [`runtimes.${name}.runtime_root`, options?.root],
      [`runtimes.${name}.privileged_without_host_devices`, privilegedWithoutHostDevices],
    ]),
    ['pause_image', sandboxImage],
  ]
}

function expectMet(where: Found, wanted: Target): void {
  const tree = treeOf(where)
  for (const [path, value] of asked(wanted)) {
    const table = path === 'pause_image' ? ['crio', 'image'] : ['crio', 'runtime']
    const now = valueAt(tree, [...table, ...path.split('.')])
    if (value !== undefined && (now ?? false) !== value) throw new Error(`${path} is ${now}, not ${value}`)
  }
  for (const { name } of wanted.handlers ?? []) {
    if (valueAt(tree, ['crio', 'runtime', 'runtimes', name, 'runtime_type']) === 'vm')
      throw new Error(`${name} is a vm`)
  }
}

const ours = [own, '/etc/crio/policy.json', '/etc/containers/registries.conf.d/90-drydock.conf']

t.test(
  'what is asked for is there, only files of ours are written, and a second look finds nothing to do',
  async (t) => {
    fc.assert(
      fc.property(files, target, (texts, wanted) => {
        const where = found(texts)
        const changes = edits(where, wanted)
        const other = changes.find(({ path }) => !ours.includes(path))
        if (other) throw new Error(`writes ${other.path}`)
        const { found: now, pasts } = after(where, changes)
        expectMet(now, wanted)
        const [again] = edits(now, wanted, pasts)
        if (again) throw new Error(`writes again: ${again.path}\n${again.after}`)
        if (actionFor(where, changes) === 'None' && changes.length > 0) throw new Error('changes without an action')
      }),
      runs,
    )
    t.pass()
  },
)

const byHand = fc.constantFrom('', '\n[crio.api]\nstream_port = "1"\n')

t.test('one target after another is the same as the other alone, and keeps what somebody has added', async (t) => {
  fc.assert(
    fc.property(files, target, target, byHand, (texts, first, second, added) => {
      const where = found(texts)
      const { found: now, pasts } = after(where, edits(where, first))
      const [file, ...rest] = now.configFiles
      const bytes = file.bytes && Buffer.from(`${file.bytes}${added}`)
      const edited: Found = { ...now, configFiles: [{ path: own, bytes }, ...rest] }
      const then = after(edited, edits(edited, second, pasts)).found
      const alone = after(where, edits(where, second)).found
      expectSame(treeOf(then), treeOf(alone))
      if (bytes && !`${then.configFiles[0].bytes}`.includes(added.trim()))
        throw new Error('an edit of somebody is lost')
    }),
    runs,
  )
  t.pass()
})

function expectSame(left: Tree, right: Tree): void {
  for (const table of ['runtime', 'image', 'network']) {
    const [a, b] = [left, right].map((tree) => JSON.stringify(sorted(valueAt(tree, ['crio', table]))))
    if (a !== b) throw new Error(`${table}\n${a}\n${b}`)
  }
}

t.test('without a target for it our drop-in goes', async (t) => {
  fc.assert(
    fc.property(files, target, (texts, wanted) => {
      const where = found({ ...texts, '/etc/containers/policy.json': '{}' })
      const { found: now, pasts } = after(where, edits(where, wanted))
      const { found: then } = after(now, edits(now, { engine: { name: 'cri-o' } }, pasts))
      if (then.configFiles[0].bytes !== undefined) throw new Error(`${then.configFiles[0].bytes}`)
    }),
    runs,
  )
  t.pass()
})

function sorted(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  const meant = Object.entries(value).filter(
    ([, each]) => each !== '' && each !== false && !(Array.isArray(each) && each.length === 0),
  )
  return Object.fromEntries(meant.sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, each]) => [key, sorted(each)]))
}
