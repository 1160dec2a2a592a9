/** What we believe of containerd's configuration, asked of the containerd programs that this machine has. */
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import fc from 'fast-check'
import t from 'tap'
import { actionFor } from '../../node-agent/engines/containerd/action.ts'
import { renderConfig } from '../../node-agent/engines/containerd/config.ts'
import { detect, dump, importsOf } from '../../node-agent/engines/containerd/detect.ts'
import { migrated } from '../../node-agent/engines/containerd/migrate.ts'
import { majorOf } from '../../node-agent/engines/containerd/paths.ts'
import { versionIn } from '../../node-agent/engines/containerd/service.ts'
import { validate } from '../../node-agent/engines/containerd/validate.ts'
import {
  driverOfHandler,
  effectiveView,
  handlersOf,
  sameHandler,
  viewOf,
} from '../../node-agent/engines/containerd/view.ts'
import { type FileEdit, type Found, isRefusal, type OciRuntime, type Target } from '../../node-agent/engines/engine.ts'
import { find } from '../../node-agent/engines/programs.ts'
import { parseTree, same, type Tree, tableAt } from '../../node-agent/engines/toml/tree.ts'
import type { Host } from '../../node-agent/host/host.ts'
import { systemHost } from '../../node-agent/host/system-host.ts'
import { containerdConfig } from '../cluster/containerd-config.ts'
import { settingsFrom } from '../cluster/settings.ts'
import { configText } from '../property/toml-generate.ts'
import { hostOf } from '../unit/detect-host.ts'

const host: Host = systemHost()
const settings = settingsFrom(process.env)

/** Folders with programs: PATH, the one that the environment names, and what the test bed has built. */
async function folders(): Promise<string[]> {
  const built = await readdir(settings.cache).catch(() => [])
  return [
    ...(settings.binaries ? [settings.binaries] : []),
    ...(process.env['PATH'] ?? '').split(':'),
    ...built.flatMap((name) => {
      if (name.startsWith('containerd2-')) return [join(settings.cache, name)]
      return /^base-debian\d+-[0-9a-f]+$/.test(name)
        ? ['usr/bin', 'usr/sbin'].map((each) => join(settings.cache, name, 'root', each))
        : []
    }),
  ]
}

interface Engine {
  readonly binary: string
  readonly version: string
}

/** One program of each version that runs here. */
async function enginesHere(): Promise<Engine[]> {
  const engines = new Map<string, Engine>()
  for (const folder of await folders()) {
    const binary = await find(host, 'containerd', [folder])
    const ran = binary ? await host.run([binary, '--version'], { timeoutMs: 10_000 }).catch(() => undefined) : undefined
    const version = ran?.code === 0 ? versionIn(ran.stdout) : undefined
    if (binary && version && !engines.has(version)) engines.set(version, { binary, version })
  }
  return [...engines.values()]
}

/** Programs that answer as runc and crun do: containerd's parser does not run them, our own check does. */
const programs = await mkdtemp(join(tmpdir(), 'drydock-programs-'))
t.teardown(() => rm(programs, { recursive: true }))
const ociRuntimes: OciRuntime[] = []
for (const kind of ['runc', 'crun'] as const) {
  const path = join(programs, kind)
  await writeFile(path, `#!/bin/sh\necho "${kind} version 1.2.3"\n`, { mode: 0o755 })
  ociRuntimes.push({ path, kind, version: '1.2.3' })
}

const engines = await enginesHere()
const skip =
  engines.length === 0 &&
  'no containerd program is here: bring a test cluster up once, or name a folder in DRYDOCK_TESTBED_BIN'

function foundFor({ binary, version }: Engine, path: string, bytes: Buffer): Found {
  return {
    observed: { engine: { name: 'containerd', binary, version } },
    configFiles: [{ path, bytes }],
    ociRuntimes,
    searchPath: [programs],
  }
}

const everything: Target = {
  engine: { name: 'containerd' },
  cgroupDriver: 'systemd',
  sandboxImage: 'registry.example/pause:3.10.2',
  handlers: [
    { name: 'runc', type: 'runc', default: false },
    {
      name: 'crun',
      type: 'crun',
      default: true,
      podAnnotations: ['run.oci.*'],
      privilegedWithoutHostDevices: true,
      options: { root: '/run/crun', noNewKeyring: true },
    },
  ],
}

async function inFolder(use: (path: string) => Promise<unknown>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'drydock-containerd-'))
  try {
    await use(join(folder, 'config.toml'))
  } finally {
    await rm(folder, { recursive: true })
  }
}

const small: Target = { engine: { name: 'containerd' }, cgroupDriver: 'systemd', sandboxImage: 'x/y:1' }

/** The dump adds every default; `sandboxer` and `sandbox_mode` are the ones that are not empty. */
function expectSameView(ours: Tree, theirs: Tree, text: string): void {
  const [mine, other] = [ours, theirs].map((view) => new Map(handlersOf(view)))
  if ([...mine!.keys()].sort().join() !== [...other!.keys()].sort().join()) throw new Error(`other handlers\n${text}`)
  for (const [name, handler] of mine!) {
    const { sandboxer, sandbox_mode, ...dumped } = other!.get(name)!
    if (!sameHandler(handler, dumped)) throw new Error(`${name}: ${JSON.stringify([handler, dumped])}\n${text}`)
  }
  for (const key of ['default_runtime_name', 'sandbox_image']) {
    if (ours[key] !== theirs[key]) throw new Error(`${key}: ${ours[key]} is not ${theirs[key]}\n${text}`)
  }
}

function driversIn(view: Tree): Record<string, unknown> {
  return Object.fromEntries(handlersOf(view).map(([name, handler]) => [name, driverOfHandler(handler)]))
}

for (const engine of engines) {
  const major = majorOf(engine.version)

  t.test(`containerd ${engine.version} takes what is rendered for it`, async (t) => {
    const ran = await host.run([engine.binary, 'config', 'default'], { timeoutMs: 10_000 })
    const cluster = { cgroupDriver: 'cgroupfs', sandboxImage: 'registry.k8s.io/pause:3.9' } as const
    const cases: Record<string, string> = {
      'its own default': ran.stdout,
      'that with CRLF': ran.stdout.replaceAll('\n', '\r\n'),
      'a file of version 2': containerdConfig(2, cluster),
      'an empty file': '',
      "as Docker's packages bring it": '# x\ndisabled_plugins = ["cri"]\n#root = "/var/lib/containerd"\n',
      ...(major >= 2 ? { 'a file of version 3': containerdConfig(3, cluster) } : {}),
    }
    for (const [name, text] of Object.entries(cases)) {
      await inFolder(async (path) => {
        const found = foundFor(engine, path, Buffer.from(text))
        const edits = renderConfig(found, everything, new Map()) as FileEdit[]
        t.equal(edits.length, 1, `${name}: one edit`)
        t.equal(await validate(host, found, edits, everything), undefined, `${name}: valid`)
        t.same(await readdir(join(path, '..')), [], `${name}: nothing is left behind`)
        await writeFile(path, edits[0]!.after!)
        const dumped = await dump(host, engine.binary, path)
        if ('reason' in dumped) throw new Error(dumped.message)
        const handlers = handlersOf(viewOf(dumped))
        t.same(
          handlers.map(([, handler]) => driverOfHandler(handler)),
          handlers.map(() => 'systemd'),
          `${name}: drivers`,
        )
        const crun = tableAt(viewOf(dumped), ['runtimes', 'crun'])
        t.match(
          crun,
          {
            pod_annotations: ['run.oci.*'],
            privileged_without_host_devices: true,
            options: { BinaryName: join(programs, 'crun'), Root: '/run/crun', NoNewKeyring: true },
          },
          `${name}: crun`,
        )
      })
    }
  })

  t.test(`containerd ${engine.version} sees in a file what we see in it`, async (t) => {
    await inFolder(async (path) => {
      await fc.assert(
        fc.asyncProperty(configText, async ({ text, style }) => {
          if (style.version > 2 && major < 2) return
          const edits = renderConfig(foundFor(engine, path, Buffer.from(text)), small, new Map())
          if (isRefusal(edits)) return
          const bytes = edits[0]?.after ?? Buffer.from(text)
          await writeFile(path, bytes)
          const dumped = await dump(host, engine.binary, path)
          if ('reason' in dumped) throw new Error(`${dumped.message}\n${bytes}`)
          const ours = effectiveView([{ path, tree: parseTree(`${bytes}`), version: style.version }], major)
          expectSameView(ours, viewOf(dumped), `${bytes}`)
        }),
        { numRuns: Number(process.env['DRYDOCK_PROPERTY_RUNS'] ?? 40) },
      )
      t.pass()
    })
  })

  t.test(`containerd ${engine.version} and a file that names only an extra handler`, async (t) => {
    const text = `version = 2\n[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.crun]\n  runtime_type = "io.containerd.runc.v2"\n`
    await inFolder(async (path) => {
      const found = foundFor(engine, path, Buffer.from(text))
      const edit = { path, before: undefined, after: Buffer.from(text), original: undefined }
      const refusal = await validate(host, found, [edit], undefined)
      t.equal(
        refusal?.reason,
        major < 2 ? 'ConfigNotEffective' : undefined,
        '1.x drops the built-in runc, 2.x keeps it',
      )
      const edits = renderConfig(
        found,
        { engine: { name: 'containerd' }, sandboxImage: 'x/y:1' },
        new Map(),
      ) as FileEdit[]
      t.equal(await validate(host, found, edits, undefined), undefined, 'an edit brings runc back')
      t.match(`${edits[0]!.after}`, /runtimes\.runc\]\n\s*runtime_type = "io\.containerd\.runc\.v2"/)
    })
  })

  t.test(`containerd ${engine.version} reads imports as we think`, async (t) => {
    await inFolder(async (path) => {
      const cri = 'plugins."io.containerd.grpc.v1.cri"'
      const runtime = 'runtime_type = "io.containerd.runc.v2"'
      const texts = {
        [path]: `version = 2\nimports = ["${join(path, '../drop-ins/*.toml')}"]\n[${cri}]\nsandbox_image = "x/main:1"\n[${cri}.containerd.runtimes.runc]\n${runtime}\n[${cri}.containerd.runtimes.runc.options]\nSystemdCgroup = true\n`,
        [join(path, '../drop-ins/10-a.toml')]:
          `version = 2\n[${cri}.containerd.runtimes.runc]\n${runtime}\n[${cri}.containerd.runtimes.nvidia]\n${runtime}\n`,
      }
      await mkdir(join(path, '../drop-ins'))
      for (const [file, text] of Object.entries(texts)) await writeFile(file, text)
      const main = { path, bytes: await host.readFile(path) }
      const imports = await importsOf(host, main)
      t.same(
        imports.map(({ path }) => basename(path)),
        ['10-a.toml'],
      )
      const dumped = await dump(host, engine.binary, path)
      if ('reason' in dumped) throw new Error(dumped.message)
      const documents = [main, ...imports].map((file) => ({
        path: file.path,
        tree: parseTree(`${file.bytes}`),
        version: 2,
      }))
      const ours = effectiveView(documents, major)
      const theirs = viewOf(dumped)
      t.equal(ours['sandbox_image'] ?? theirs['sandbox_image'], theirs['sandbox_image'])
      t.same(driversIn(ours), driversIn(theirs))
      const found = { ...foundFor(engine, path, main.bytes!), configFiles: [main, ...imports] as const }
      const edits = renderConfig(found, { ...small, cgroupDriver: 'cgroupfs' }, new Map())
      if (major < 2) return t.match(edits, { reason: 'ConfigImported', message: /10-a\.toml:2 is imported/ })
      return t.equal(
        await validate(host, found, edits as FileEdit[], { ...small, cgroupDriver: 'cgroupfs' }),
        undefined,
      )
    })
  })

  t.test(`containerd ${engine.version} and files that it does not take`, async (t) => {
    await inFolder(async (path) => {
      const found = foundFor(engine, path, Buffer.from(''))
      const check = (text: string) =>
        validate(host, found, [{ path, before: undefined, after: Buffer.from(text), original: undefined }], undefined)
      t.match(await check('version = 2\nx = [\n'), { reason: 'ConfigInvalid', message: /does not accept/ })
      t.match(await check('version = 2\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n'), {
        message: /CRI plugin is disabled/,
      })
      const missing = containerdConfig(2, { cgroupDriver: 'systemd', sandboxImage: 'x/y:1' }).replace(
        /SystemdCgroup.*/,
        'BinaryName = "/nowhere/runc"',
      )
      t.match(await check(missing), {
        reason: 'RuntimeNotInstalled',
        message: /handler "runc": \/nowhere\/runc does not exist/,
      })
      const gone = { path, before: Buffer.from('version = 2\n'), after: undefined, original: undefined }
      t.equal(await validate(host, found, [gone], undefined), undefined, 'without a file it has its defaults')
      t.same(await readdir(join(path, '..')), [])
      t.same(await readFile(path).catch(() => 'absent'), 'absent', 'nothing live was touched')
    })
  })
}

const olds = engines.filter(({ version }) => majorOf(version) < 2)
const news = engines.filter(({ version }) => majorOf(version) >= 2)

/** A node whose unit starts the old program with the file. */
function nodeWith(old: Engine, path: string): Host {
  const unitFile = join(path, '../containerd.service')
  const { unit } = hostOf({ files: {} })
  return {
    ...host,
    unit: async (name) => ({ ...(await unit(name)), loadState: 'loaded', execStart: old.binary, files: [unitFile] }),
    readFile: async (file) =>
      file === unitFile ? Buffer.from(`[Service]\nExecStart=${old.binary} --config ${path}\n`) : host.readFile(file),
  }
}

for (const old of olds) {
  for (const next of news) {
    const staged = { program: next.binary, version: next.version, searchPath: [programs], files: [] }

    t.test(`from containerd ${old.version} to ${next.version}`, async (t) => {
      const printed = await host.run([old.binary, 'config', 'default'], { timeoutMs: 10_000 })
      const cluster = { cgroupDriver: 'systemd', sandboxImage: 'registry.k8s.io/pause:3.9' } as const
      const cri = 'plugins."io.containerd.grpc.v1.cri"'
      const cases: Record<string, string> = {
        'what the old program prints': printed.stdout,
        'a file with comments': containerdConfig(2, cluster),
        'with CRLF': containerdConfig(2, cluster).replaceAll('\n', '\r\n'),
        'as Debian has it': `version = 2\n\n[plugins]\n  [${cri}]\n    [${cri}.cni]\n      bin_dir = "/usr/lib/cni"\n  [plugins."io.containerd.internal.v1.opt"]\n    path = "/var/lib/containerd/opt"\n`,
        'of plugins with other names': `version = 2\n[plugins."io.containerd.monitor.v1.cgroups"]\n  no_prometheus = true\n[plugins."io.containerd.internal.v1.restart"]\n  interval = "20s"\n`,
        'with mirrors': `version = 2\n[${cri}]\nstream_server_port = "1234"\n[${cri}.registry.mirrors."docker.io"]\nendpoint = ["https://m"]\n[${cri}.registry.configs."m".auth]\nusername = "x"\n`,
      }
      for (const [name, text] of Object.entries(cases)) {
        await inFolder(async (path) => {
          await writeFile(path, text)
          const node = nodeWith(old, path)
          const found = (await detect(node, staged))!
          t.equal(found.refusal, undefined, `${name}: nothing is lost`)
          t.match(found, {
            replaces: old.version,
            observed: { engine: { version: next.version, binary: next.binary } },
          })
          const edits = renderConfig(found, { engine: { name: 'containerd' } }, new Map()) as FileEdit[]
          const after = `${edits[0]?.after}`
          t.match(after, /^version = 3\r?$/m, `${name}: version 3`)
          t.equal(await validate(node, found, edits, undefined), undefined, `${name}: the same to the new program`)
          t.equal(actionFor(found, edits), 'Restart', `${name}: pods stay`)
          for (const comment of text.match(/#.*/g) ?? []) t.ok(after.includes(comment), `${name}: keeps ${comment}`)
          const pasts = new Map([[path, { original: Buffer.from(text), written: edits[0]!.after }]])
          await writeFile(path, after)
          const later = { ...found, configFiles: [{ path, bytes: Buffer.from(after) }] as const }
          t.same(renderConfig(later, { engine: { name: 'containerd' } }, pasts), [], `${name}: twice is once`)
        })
      }
    })

    t.test(`what containerd ${next.version} does not do any more is refused with its line`, async (t) => {
      const cri = 'plugins."io.containerd.grpc.v1.cri"'
      const cases: [string, RegExp][] = [
        ['plugin_dir = "/opt/plugins"', /config\.toml:2: plugin_dir has no effect .*Go plugins/],
        [`[${cri}.containerd]\n  no_pivot = true`, /config\.toml:3: containerd\.no_pivot/],
        [
          `[${cri}.containerd.untrusted_workload_runtime]\n  runtime_type = "io.containerd.kata.v2"`,
          /:2: containerd\.untrusted_workload_runtime.*runtimes\.untrusted/,
        ],
        [
          `[${cri}.containerd.runtimes.runc]\n  runtime_type = "io.containerd.runc.v1"`,
          /:3: handler "runc" of type io\.containerd\.runc\.v1/,
        ],
        [
          `[${cri}.containerd.runtimes.runc]\nruntime_type = "io.containerd.runc.v2"\n[${cri}.containerd.runtimes.runc.options]\n  CriuPath = "/x"`,
          /:5: options\.CriuPath/,
        ],
        [
          `[${cri}.registry.configs."m".tls]\n  insecure_skip_verify = true`,
          /:2: registry\.configs\.m\.tls .*hosts\.toml/,
        ],
        [`[${cri}.containerd]\nsnapshotter = "aufs"`, /:3: the snapshotter aufs/],
      ]
      for (const [text, message] of cases) {
        await inFolder(async (path) => {
          await writeFile(path, `version = 2\n${text}\n`)
          t.match((await detect(nodeWith(old, path), staged))?.refusal, { reason: 'ConfigGone', message }, text)
        })
      }
      await inFolder(async (path) => {
        await writeFile(path, `version = 2\nunheard_of = 1\n[${cri}]\nnobodys = true\n`)
        t.equal((await detect(nodeWith(old, path), staged))?.refusal, undefined, 'what the old one did not know either')
        await writeFile(
          path,
          `version = 2\nimports = ["${join(path, '../more.toml')}"]\n[${cri}]\nenable_selinux = true\n`,
        )
        await writeFile(join(path, '../more.toml'), `version = 2\n[${cri}]\nsandbox_image = "x/y:1"\n`)
        t.match((await detect(nodeWith(old, path), staged))?.refusal, {
          reason: 'ConfigImported',
          message: /config\.toml:4 sets .*enable_selinux, which has had no effect because .*more\.toml/,
        })
      })
    })

    t.test(
      `containerd ${next.version} reads any file of version 2 as the one that is moved to version 3`,
      async (t) => {
        await inFolder(async (path) => {
          await fc.assert(
            fc.asyncProperty(configText, async ({ text, style }) => {
              if (style.version !== 2) return
              const moved = migrated(text, { hasBinDirs: true })
              if (moved === undefined) throw new Error(`not moved:\n${text}`)
              await writeFile(path, text)
              const before = await dump(host, next.binary, path)
              await writeFile(path, moved)
              const after = await dump(host, next.binary, path)
              if ('reason' in before || 'reason' in after) throw new Error(`refused:\n${moved}`)
              if (!same(before.tree, after.tree)) throw new Error(`${text}\nis not\n${moved}`)
            }),
            { numRuns: Number(process.env['DRYDOCK_PROPERTY_RUNS'] ?? 40) },
          )
          t.pass()
        })
      },
    )
  }
}

if (skip) t.test('containerd', { skip }, async () => {})
