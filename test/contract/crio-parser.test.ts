/** What we believe of CRI-O's configuration, asked of the crio that the folder of brought programs has. */
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import t from 'tap'
import { renderConfig } from '../../node-agent/engines/crio/config.ts'
import { detect } from '../../node-agent/engines/crio/detect.ts'
import { serviceOf } from '../../node-agent/engines/crio/files.ts'
import { effective } from '../../node-agent/engines/crio/query.ts'
import { documentsOf, effectiveTree } from '../../node-agent/engines/crio/settings.ts'
import { validate } from '../../node-agent/engines/crio/validate.ts'
import { type FileEdit, type Found, isRefusal, type Target } from '../../node-agent/engines/engine.ts'
import { valueAt } from '../../node-agent/engines/toml/tree.ts'
import type { Host } from '../../node-agent/host/host.ts'
import { systemHost } from '../../node-agent/host/system-host.ts'
import { settingsFrom } from '../cluster/settings.ts'

const { binaries } = settingsFrom(process.env)
const crio = join(binaries ?? '/nowhere', 'crio')
const isHere = binaries !== undefined && (await systemHost().isExecutable(crio))
const skip = isHere ? false : 'no crio in the folder that DRYDOCK_TESTBED_BIN names'

interface Bed {
  readonly host: Host
  readonly folder: string
  readonly detected: () => Promise<Found>
  /** Writes the edits where they belong. */
  readonly apply: (edits: readonly FileEdit[]) => Promise<void>
}

/** A host whose CRI-O has its files below a folder, and programs that answer as runc, crun, conmon and pinns do. */
async function bedOf(
  files: Readonly<Record<string, string>>,
  { flags = '' }: { flags?: string } = {},
): Promise<Bed & { remove: () => Promise<void> }> {
  const folder = await mkdtemp(join(tmpdir(), 'drydock-crio-'))
  const programs = join(folder, 'bin')
  for (const name of ['runc', 'crun', 'conmon', 'pinns']) {
    await write(join(programs, name), `#!/bin/sh\necho "${name} version 1.2.3"\n`)
    await chmod(join(programs, name), 0o755)
  }
  for (const [path, text] of Object.entries(files)) await write(join(folder, 'crio', path), text)
  const unit = join(folder, 'crio.service')
  const options = `--config=${join(folder, 'crio/crio.conf')} -d ${join(folder, 'crio/crio.conf.d')} ${flags}`
  await write(unit, `[Service]\nEnvironment=PATH=${programs}\nExecStart=${crio} ${options}\n`)
  const system = systemHost()
  const state = { loadState: 'loaded', activeState: 'active', subState: 'running', invocationId: 'a', mainPid: 1 }
  const host = { ...system, unit: async () => ({ ...state, execStart: crio, enabled: 'enabled', files: [unit] }) }
  return {
    host,
    folder,
    detected: async () => (await detect(host)) as Found,
    apply: async (edits) => {
      for (const { path, after } of edits) {
        if (!path.startsWith(folder)) continue
        if (after) await write(path, after.toString())
        else await rm(path)
      }
    },
    remove: () => rm(folder, { recursive: true }),
  }
}

async function write(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true })
  await writeFile(path, text)
}

async function withBed(
  files: Readonly<Record<string, string>>,
  act: (bed: Bed) => Promise<void>,
  given: { flags?: string } = {},
): Promise<void> {
  const bed = await bedOf(files, given)
  try {
    await act(bed)
  } finally {
    await bed.remove()
  }
}

const target = (wanted: Omit<Target, 'engine'>): Target => ({ engine: { name: 'cri-o' }, ...wanted })
const runc = { name: 'runc', type: 'runc', default: true } as const
const crun = { name: 'crun', type: 'crun', default: false } as const

function rendered(found: Found, wanted: Target): readonly FileEdit[] {
  const edits = renderConfig(found, wanted, new Map())
  if (isRefusal(edits)) throw new Error(edits.message)
  return edits
}

/** What both must agree on: everything that Drydock reads or writes. */
const paths = [
  ['crio', 'runtime', 'default_runtime'],
  ['crio', 'runtime', 'cgroup_manager'],
  ['crio', 'runtime', 'conmon_cgroup'],
  ['crio', 'runtime', 'timezone'],
  ['crio', 'image', 'pause_image'],
  ['crio', 'image', 'signature_policy'],
  ['crio', 'network', 'plugin_dirs'],
  ['crio', 'api', 'listen'],
]

const keys = [
  'runtime_path',
  'runtime_type',
  'runtime_root',
  'allowed_annotations',
  'monitor_env',
  'privileged_without_host_devices',
]

/** What a detection shows of a host that meets the target. */
function shownFor({ cgroupDriver, sandboxImage }: Target): object {
  return {
    ...(cgroupDriver ? { engineDriver: cgroupDriver } : {}),
    ...(sandboxImage ? { sandboxImage } : {}),
  }
}

t.test('CRI-O', { skip }, async (t) => {
  t.test('files are read and merged as we think', async (t) => {
    const files = {
      'crio.conf':
        '[crio.runtime]\ncgroup_manager = "cgroupfs"\nconmon_cgroup = "pod"\n[crio.runtime.runtimes.runc]\nruntime_path = "/x/runc"\nruntime_root = "/run/x"\nprivileged_without_host_devices = true\n',
      'crio.conf.d/10-a.conf':
        '[crio.runtime]\ndefault_runtime = "runc"\n[crio.network]\nplugin_dirs = ["/usr/lib/cni"]\n',
      'crio.conf.d/20-b/50.conf':
        '[crio.image]\npause_image = "x/folder:1"\n[crio.runtime.runtimes.crun]\nruntime_path = "/x/crun"\n',
      'crio.conf.d/20-c':
        '[crio.image]\npause_image = "x/file:1"\n[crio.runtime.runtimes.runc]\nruntime_type = "oci"\n',
      'crio.conf.d/zz.conf': '[crio.runtime]\ntimezone = "local"\n',
    }
    await withBed(files, async ({ host, folder, detected }) => {
      const found = await detected()
      t.same(
        found.configFiles.map(({ path }) => path).filter((path) => path.startsWith(folder)),
        [
          'crio.conf.d/99-drydock.conf',
          'crio.conf',
          'crio.conf.d/10-a.conf',
          'crio.conf.d/20-b/50.conf',
          'crio.conf.d/20-c',
          'crio.conf.d/zz.conf',
        ].map((path) => join(folder, 'crio', path)),
      )
      const { earlier, own, later } = documentsOf(found, found.configFiles[0])
      t.same(
        later.map(({ path }) => path),
        [join(folder, 'crio/crio.conf.d/zz.conf')],
      )
      const ours = effectiveTree(found, [...earlier, own, ...later])
      const service = await serviceOf(host, undefined)
      const theirs = await effective(host, service!, { config: service!.configPath, dropIns: service!.dropIns })
      if ('reason' in theirs) throw new Error(String(theirs['message']))
      for (const path of paths) t.same(valueAt(ours, path), valueAt(theirs, path), path.join('.'))
      for (const name of ['runc', 'crun']) {
        for (const key of keys) {
          const path = ['crio', 'runtime', 'runtimes', name, key]
          // A key that is absent, and one that is empty, are the same to CRI-O.
          t.same(valueAt(ours, path) || undefined, valueAt(theirs, path) || undefined, path.join('.'))
        }
      }
      t.match(found.observed, {
        engine: { name: 'cri-o', version: /^1\.\d+\.\d+/, socket: '/var/run/crio/crio.sock' },
        sandboxImage: 'x/file:1',
        engineDriver: 'cgroupfs',
      })
      t.match(found.observed.handlers, [{ name: 'runc', default: true, binary: join(folder, 'bin/runc') }])
    })
  })

  t.test('what we write is taken, and is what was meant', async (t) => {
    const wanteds: readonly Target[] = [
      target({ cgroupDriver: 'cgroupfs', handlers: [runc, crun], sandboxImage: 'registry.example/pause:3.10' }),
      target({ cgroupDriver: 'systemd', handlers: [{ ...crun, default: true }] }),
      target({ handlers: [{ ...runc, podAnnotations: ['run.oci.*'], options: { root: '/run/other' } }] }),
      target({ sandboxImage: 'registry.example/pause:1' }),
    ]
    const hosts: readonly Readonly<Record<string, string>>[] = [
      {},
      { 'crio.conf': '[crio.runtime]\ncgroup_manager = "cgroupfs"\nconmon_cgroup = ""\n' },
      {
        'crio.conf.d/10-crio.conf':
          '[crio.runtime]\ndefault_runtime = "crun"\n[crio.runtime.runtimes.crun]\nmonitor_path = ""\n',
      },
    ]
    for (const files of hosts) {
      await withBed(files, async ({ host, folder, detected, apply }) => {
        for (const wanted of wanteds) {
          const found = await detected()
          const edits = rendered(found, wanted)
          t.equal((await validate(host, found, edits, wanted))?.message, undefined, JSON.stringify(wanted))
          await apply(edits)
          const after = await detected()
          t.match(after.observed, shownFor(wanted))
          const isDefault = (name: string) => after.observed.handlers?.find((each) => each.name === name)?.default
          for (const handler of wanted.handlers ?? []) t.equal(isDefault(handler.name), handler.default, handler.name)
          t.ok(
            rendered(after, wanted).every(({ path }) => !path.startsWith(folder)),
            'and then there is nothing left to do',
          )
          await rm(join(folder, 'crio/crio.conf.d/99-drydock.conf'), { force: true })
        }
        const left = await readdir(folder, { recursive: true })
        t.notOk(
          left.some((path) => path.includes('.drydock')),
          'nothing stays',
        )
      })
    }
  })

  t.test('what CRI-O would not take, or only miss when it starts, is refused', async (t) => {
    const check = async (bed: Bed, text: string, wanted?: Target) => {
      const found = await bed.detected()
      const path = found.configFiles[0].path
      const edit = { path, before: undefined, after: Buffer.from(text), original: undefined }
      const refusal = await validate(bed.host, found, [edit], wanted)
      t.equal(await readFile(path).catch(() => 'absent'), 'absent', 'nothing live was touched')
      return refusal
    }
    await withBed({}, async (bed) => {
      t.match(await check(bed, '[crio.runtime]\ndefault_runtime = "kata"\n'), {
        reason: 'ConfigInvalid',
        message: /CRI-O does not accept its configuration: .*default_runtime set to "kata", but no runtime entry/,
      })
      t.match(await check(bed, 'x = [\n'), { reason: 'ConfigInvalid', message: /unable to decode configuration/ })
      t.match(await check(bed, '[crio.runtime.runtimes.crun]\nruntime_path = "/nowhere/crun"\n'), {
        reason: 'RuntimeNotInstalled',
        message: /handler "crun": \/nowhere\/crun does not exist/,
      })
      t.match(
        await check(bed, `[crio.runtime.runtimes.crun]\nruntime_path = "${join(bed.folder, 'crio.service')}"\n`),
        {
          reason: 'RuntimeNotInstalled',
        },
      )
      t.match(await check(bed, '[crio.runtime]\nconmon = "/nowhere/conmon"\n'), {
        message: /CRI-O needs \/nowhere\/conmon/,
      })
      await rm(join(bed.folder, 'bin/pinns'))
      t.match(await check(bed, ''), { message: /CRI-O needs pinns is in none of/ })
    })
    await withBed(
      {},
      async (bed) => {
        const wanted = target({ cgroupDriver: 'cgroupfs' })
        t.match(await check(bed, '[crio.runtime]\ncgroup_manager = "cgroupfs"\nconmon_cgroup = "pod"\n', wanted), {
          reason: 'ConfigNotEffective',
          message: /crio\.service:3 gives CRI-O the option --cgroup-manager, which wins over its files/,
        })
      },
      { flags: '--cgroup-manager=systemd' },
    )
    await withBed({ 'crio.conf': '[crio.runtime]\ndefault_runtime = "kata"\n' }, async ({ detected }) => {
      t.match(await detected(), {
        refusal: { reason: 'ConfigInvalid', message: /kata/ },
        observed: { engine: { version: /^1\./ } },
      })
    })
  })
})
