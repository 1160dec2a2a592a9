import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { silentLog } from '../../kube/log.ts'
import { unitsOf } from '../../node-agent/engine/units.ts'
import { readHandover, writeHandover } from '../../node-agent/installer/handover.ts'
import { hostPath } from '../../node-agent/installer/host-path.ts'
import { type Installation, install } from '../../node-agent/installer/install.ts'
import { libraries } from '../../node-agent/installer/libraries.ts'
import { payload } from '../../node-agent/installer/payload.ts'
import { unsupported } from '../../node-agent/installer/support.ts'
import type { Systemctl } from '../../node-agent/installer/systemctl.ts'
import { VirtualTime } from '../support/virtual-clock.ts'

/** What systemd knows: which units run, and what their files said when it read them last. */
class FakeSystemd implements Systemctl {
  readonly acts: string[] = []
  readonly #folder: string
  readonly #active = new Set<string>()
  readonly #enabled = new Set<string>()
  #loaded = new Map<string, string>()

  constructor(folder: string) {
    this.#folder = folder
  }

  async standing(unit: string) {
    const text = await readFile(join(this.#folder, unit), 'utf8').catch(() => undefined)
    const enabled = this.#enabled.has(unit) ? 'enabled' : 'disabled'
    return {
      enabled: this.#loaded.has(unit) ? enabled : '',
      active: this.#active.has(unit) ? 'active' : 'inactive',
      isStale: this.#loaded.has(unit) && this.#loaded.get(unit) !== text,
    }
  }

  async reload() {
    this.acts.push('reload')
    const names = await readdir(this.#folder)
    const texts = await Promise.all(names.map((name) => readFile(join(this.#folder, name), 'utf8')))
    this.#loaded = new Map(names.map((name, index) => [name, texts[index]!]))
  }

  async enable(unit: string) {
    this.acts.push(`enable ${unit}`)
    this.#enabled.add(unit)
  }

  async start(unit: string) {
    this.acts.push(`start ${unit}`)
    this.#active.add(unit)
  }

  async stop(unit: string) {
    this.acts.push(`stop ${unit}`)
    this.#active.delete(unit)
  }
}

async function given(t: Test) {
  const folder = await mkdtemp(join(tmpdir(), 'drydock-installer-'))
  t.teardown(() => rm(folder, { recursive: true }))
  const image = join(folder, 'image')
  const root = join(folder, 'host')
  const { loader, folder: library } = libraries.x64
  for (const path of [library, '/lib64', '/usr/local/bin', '/app']) await mkdir(join(image, path), { recursive: true })
  for (const path of [loader, `${library}/libc.so.6`, '/usr/local/bin/node', '/app/engine.cjs']) {
    await writeFile(join(image, path), `content of ${path}`)
  }
  for (const path of ['/opt', '/usr', '/etc/systemd/system', '/var/lib', '/run/systemd/system', '/proc/sys/kernel']) {
    await mkdir(join(root, path), { recursive: true })
  }
  await writeFile(join(root, 'etc/os-release'), 'ID=debian\nVERSION_ID="12"\nPRETTY_NAME="Debian 12"\n')
  const systemd = new FakeSystemd(join(root, 'etc/systemd/system'))
  const time = new VirtualTime()
  const of = async (change: Partial<Installation> = {}): Promise<Installation> => ({
    root,
    version: '1.0.0',
    files: await payload({ image, arch: 'x64' }),
    units: (path) => unitsOf(path, 'x64'),
    systemctl: systemd,
    clock: time.host(),
    log: silentLog,
    waitMs: 60_000,
    ...change,
  })
  return { folder, image, root, systemd, time, of }
}

t.test('puts the engine on the host, and its socket listens', async (t) => {
  const { root, systemd, of } = await given(t)
  await install(await of())
  const folder = join(root, 'opt/drydock/1.0.0')
  t.strictSame(await readdir(folder, { recursive: true }).then((names) => names.sort()), [
    'engine.cjs',
    'lib',
    'lib/ld-linux-x86-64.so.2',
    'lib/libc.so.6',
    'node',
  ])
  t.equal((await stat(join(folder, 'node'))).mode & 0o7777, 0o755)
  t.equal((await stat(join(folder, 'engine.cjs'))).mode & 0o7777, 0o644)
  t.strictSame(systemd.acts, ['reload', 'enable drydock-engine.socket', 'start drydock-engine.socket'])
  const service = await readFile(join(root, 'etc/systemd/system/drydock-engine.service'), 'utf8')
  t.match(service, 'ExecStart=/opt/drydock/1.0.0/lib/ld-linux-x86-64.so.2 --library-path /opt/drydock/1.0.0/lib')
})

t.test('a second run changes nothing, even with a change under way', async (t) => {
  const { root, systemd, of } = await given(t)
  await install(await of())
  const { length } = systemd.acts
  const before = await stat(join(root, 'opt/drydock/1.0.0/node'))
  await mkdir(join(root, 'var/lib/drydock'))
  await writeFile(join(root, 'var/lib/drydock/journal'), 'open')
  await install(await of({ waitMs: 0 }))
  t.equal(systemd.acts.length, length)
  t.equal((await stat(join(root, 'opt/drydock/1.0.0/node'))).ino, before.ino)
})

t.test('a new version replaces the old one, which goes last', async (t) => {
  const { root, systemd, of } = await given(t)
  await install(await of())
  systemd.acts.length = 0
  await mkdir(join(root, 'opt/drydock/engines/containerd-0123456789ab'), { recursive: true })
  await install(await of({ version: '2.0.0' }))
  t.strictSame(await readdir(join(root, 'opt/drydock')), ['2.0.0', 'engines'], 'nodes run programs from there')
  t.strictSame(systemd.acts, ['stop drydock-engine.socket', 'reload', 'start drydock-engine.socket'])
})

t.test('a file that somebody changed, or made unreadable, is put right', async (t) => {
  const { root, of } = await given(t)
  await install(await of())
  const node = join(root, 'opt/drydock/1.0.0/node')
  const right = await readFile(node, 'utf8')
  await writeFile(node, right.replace('content', 'CONTENT'))
  await install(await of())
  t.equal(await readFile(node, 'utf8'), right)
  await chmod(node, 0o600)
  await install(await of())
  t.equal((await stat(node)).mode & 0o7777, 0o755)
})

t.test('while a change is under way the engine stays, and the installer waits until it has ended', async (t) => {
  const { root, time, of } = await given(t)
  await install(await of())
  await mkdir(join(root, 'var/lib/drydock'))
  const journal = join(root, 'var/lib/drydock/journal')
  await writeFile(journal, 'open')
  let isDone = false
  const waiting = install(await of({ version: '2.0.0' })).then(() => {
    isDone = true
  })
  const pass = async (seconds: number) => {
    for (let tick = 0; tick < seconds; tick++) {
      await time.advance(1_000)
      await new Promise((resolve) => setTimeout(resolve, 2))
    }
  }
  await pass(30)
  t.notOk(isDone)
  t.strictSame(await readdir(join(root, 'opt/drydock')), ['1.0.0'])
  await rm(journal)
  await pass(5)
  await waiting
  t.strictSame(await readdir(join(root, 'opt/drydock')), ['2.0.0'])
})

t.test('a change that does not end is named, and nothing is replaced', async (t) => {
  const { root, systemd, of } = await given(t)
  await mkdir(join(root, 'var/lib/drydock'))
  await writeFile(join(root, 'var/lib/drydock/journal'), 'open')
  await t.rejects(install(await of({ waitMs: 0 })), { message: /a change of this node has been under way/ })
  t.strictSame(await readdir(join(root, 'opt')), [])
  t.strictSame(systemd.acts, [])
})

t.test('a crash at any step is made good by the next run', async (t) => {
  const undisturbed = await given(t)
  await install(await undisturbed.of())
  const before = undisturbed.systemd.acts.length
  await install(await undisturbed.of({ version: '2.0.0' }))
  const crashes = undisturbed.systemd.acts.length - before
  t.ok(crashes > 0, 'there are steps to crash at')
  // As many as there are steps, not until one run comes through: an installer that always fails would fill the disk.
  for (let survived = 0; survived < crashes; survived++) {
    const { root, systemd, of } = await given(t)
    await install(await of())
    let left = survived
    const unlessCrashed = async (act: () => Promise<void>) => {
      if (left-- === 0) throw new Error('crash')
      await act()
    }
    const crashing: Systemctl = {
      standing: (unit) => systemd.standing(unit),
      reload: () => unlessCrashed(() => systemd.reload()),
      enable: (unit) => unlessCrashed(() => systemd.enable(unit)),
      start: (unit) => unlessCrashed(() => systemd.start(unit)),
      stop: (unit) => unlessCrashed(() => systemd.stop(unit)),
    }
    await t.rejects(install(await of({ version: '2.0.0', systemctl: crashing })), { message: 'crash' })
    await install(await of({ version: '2.0.0' }))
    const { enabled, active, isStale } = await systemd.standing('drydock-engine.socket')
    t.strictSame({ enabled, active, isStale }, { enabled: 'enabled', active: 'active', isStale: false })
    t.strictSame(await readdir(join(root, 'opt/drydock')), ['2.0.0'])
    t.ok(systemd.acts.slice(before).includes('stop drydock-engine.socket'), 'it listens with its new settings')
  }
})

t.test('hosts that Drydock leaves as they are', async (t) => {
  const { root } = await given(t)
  t.equal(await unsupported(root), undefined)
  await rm(join(root, 'run/systemd'), { recursive: true })
  t.match(await unsupported(root), {
    reason: 'NoSystemd',
    message: 'Debian 12 is not run by systemd.',
    os: { id: 'debian', version: '12', supported: false },
  })
})

t.test('an absolute link of the host does not lead into the container', async (t) => {
  const { root } = await given(t)
  await mkdir(join(root, 'var/opt'))
  await rm(join(root, 'opt'), { recursive: true })
  await symlink('/var/opt', join(root, 'opt'))
  t.equal(await hostPath(root, '/opt/drydock/1'), join(root, 'var/opt/drydock/1'))
  await symlink('../../../../var/opt', join(root, 'up'))
  t.equal(await hostPath(root, '/up/x'), join(root, 'var/opt/x'))
  await symlink('/loop', join(root, 'loop'))
  await t.rejects(hostPath(root, '/loop'), { message: /more than 40 links/ })
})

t.test('what the installer leaves is what the courier reads', async (t) => {
  const { folder } = await given(t)
  const told = { supported: false, reason: 'NoSystemd', message: 'm', os: { supported: false } } as const
  await writeHandover(folder, told)
  t.strictSame(await readHandover(folder), told)
})

t.test('a machine type without an agent is named', async (t) => {
  await t.rejects(payload({ image: '/', arch: 'riscv64' }), { message: /no agent for machines of type riscv64/ })
})
