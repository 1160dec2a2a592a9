import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, lstat, mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { keepBytes } from '../../node-agent/engine/prepare.ts'
import type { FileEdit } from '../../node-agent/engines/engine.ts'
import { discardUnfinished, makeDurable, removeFile, removeFolder, replaceFile } from '../../node-agent/host/durable.ts'
import { NoSpaceError, ReadOnlyError, writeError } from '../../node-agent/host/errors.ts'
import type { Host, Ran } from '../../node-agent/host/host.ts'
import { nodeDisk } from '../../node-agent/host/node-disk.ts'
import { runProgram, systemHost } from '../../node-agent/host/system-host.ts'
import { parseUnit, systemdUnits } from '../../node-agent/host/systemd.ts'
import { filesBelow } from '../../node-agent/host/walk.ts'
import { lockFolder } from '../../node-agent/journal/lock.ts'
import { freshMemory, type Memory } from '../../node-agent/journal/memory.ts'
import { Store } from '../../node-agent/journal/store.ts'
import type { StepContext } from '../../node-agent/steps/step.ts'
import { restoreFiles, writeFiles } from '../../node-agent/steps/write-files.ts'

t.test('a replaced file keeps its mode and leaves nothing beside it', async (t) => {
  const folder = t.testdir({ 'config.toml': 'old' })
  const path = join(folder, 'config.toml')
  await chmod(path, 0o640)
  await replaceFile(nodeDisk, path, Buffer.from('new'))
  t.equal(await readFile(path, 'utf8'), 'new')
  t.equal((await lstat(path)).mode & 0o777, 0o640)
  t.strictSame(await readdir(folder), ['config.toml'])
})

t.test('a linked file stays linked', async (t) => {
  const folder = t.testdir({ real: 'old' })
  await symlink('real', join(folder, 'link'))
  await replaceFile(nodeDisk, join(folder, 'link'), Buffer.from('new'))
  t.ok((await lstat(join(folder, 'link'))).isSymbolicLink())
  t.equal(await readFile(join(folder, 'real'), 'utf8'), 'new')
})

t.test('a link that leads nowhere is replaced by a file that not everybody may write', async (t) => {
  const path = join(t.testdir(), 'link')
  await symlink('/nonexistent/config', path)
  await replaceFile(nodeDisk, path, Buffer.from('new'))
  t.notOk((await lstat(path)).isSymbolicLink())
  t.equal((await lstat(path)).mode & 0o7777, 0o644)
})

t.test('a temporary file that is a trap is replaced, not written through', async (t) => {
  const folder = t.testdir({ config: 'old', victim: 'untouched' })
  await symlink('victim', join(folder, '.config.drydock'))
  await replaceFile(nodeDisk, join(folder, 'config'), Buffer.from('new'))
  t.equal(await readFile(join(folder, 'victim'), 'utf8'), 'untouched')
})

t.test('a file in a folder that is not there yet', async (t) => {
  const path = join(t.testdir(), 'a/b/config')
  await makeDurable(nodeDisk, path)
  await removeFile(nodeDisk, path)
  await discardUnfinished(nodeDisk, path)
  await replaceFile(nodeDisk, path, Buffer.from('new'))
  t.equal((await lstat(path)).mode & 0o777, 0o644)
  await removeFile(nodeDisk, path)
  t.equal(await nodeDisk.read(path), undefined)
})

t.test('a folder goes when nothing is in it, and only then', async (t) => {
  const root = t.testdir({ full: { file: 'x' }, empty: {}, file: 'x', link: t.fixture('symlink', 'empty') })
  for (const name of ['full', 'empty/none', 'file', 'link', 'none']) await removeFolder(nodeDisk, join(root, name))
  t.strictSame(await nodeDisk.list(root), ['empty', 'file', 'full', 'link'])
  await removeFolder(nodeDisk, join(root, 'empty'))
  t.strictSame(await nodeDisk.list(root), ['file', 'full', 'link'])
})

t.test('folders that a change makes go with its files, unless somebody has put something there', async (t) => {
  const root = t.testdir({ 'a.conf': 'old' })
  const store = new Store(nodeDisk, join(root, 'state'))
  await store.makeFolder()
  const host: Host = { ...systemHost(), daemonReload: async () => {} }
  const edit = (name: string, [before, after]: readonly (string | undefined)[]) => ({
    path: join(root, name),
    before: before === undefined ? undefined : Buffer.from(before),
    after: after === undefined ? undefined : Buffer.from(after),
    original: undefined,
  })
  const changed = async (memory: Memory, edits: readonly FileEdit[]) => {
    const files = await keepBytes({ host, store }, memory, edits)
    const context = { host, blobs: store.blobs, withReserve: (act: () => Promise<void>) => act(), change: { files } }
    await writeFiles.apply(context as unknown as StepContext)
    return { files, context }
  }
  const fresh = freshMemory('m')
  const made = [edit('x/y/b.conf', [undefined, 'new']), edit('x/c.conf', [undefined, 'new'])]
  const { files, context } = await changed(fresh, made)
  t.strictSame(
    files.map(({ folders = [] }) => folders.map((path) => path.slice(root.length + 1))),
    [['x/y', 'x'], ['x']],
  )
  await restoreFiles(context)
  await restoreFiles(context)
  t.notOk((await nodeDisk.list(root)).includes('x'), 'undone, as often as you like')

  await changed(fresh, made)
  const memory = {
    ...fresh,
    files: Object.fromEntries(files.map(({ path, folders = [] }) => [path, { original: null, written: 'w', folders }])),
  }
  const later = await changed(memory, [edit('x/y/b.conf', ['new', undefined]), edit('x/d.conf', [undefined, 'new'])])
  t.strictSame(await nodeDisk.list(join(root, 'x')), ['c.conf', 'd.conf'])
  await restoreFiles(later.context)
  t.strictSame(await nodeDisk.list(join(root, 'x')), ['c.conf', 'y'], 'a folder comes back with its file')
  await replaceFile(nodeDisk, join(root, 'x/y/own.conf'), Buffer.from('theirs'))
  await changed(memory, [edit('x/y/b.conf', ['new', undefined]), edit('x/c.conf', ['new', undefined])])
  t.strictSame(await nodeDisk.list(join(root, 'x/y')), ['own.conf'])
})

t.test('a folder is no file, and what cannot be read is named', async (t) => {
  const folder = t.testdir({ 'x.conf': {}, loop: t.fixture('symlink', 'loop') })
  t.equal(await nodeDisk.read(join(folder, 'x.conf')), undefined)
  await t.rejects(nodeDisk.read(join(folder, 'loop')), { message: `${folder}/loop cannot be read: ELOOP` })
  await t.rejects(nodeDisk.read('/proc/self/mem'), { message: '/proc/self/mem cannot be read: EIO' })
})

t.test('files below a folder, in the order of Go', async (t) => {
  const folder = t.testdir({
    '10.conf': 'a',
    20: { deep: { b: 'b' }, 'a-b': 'c', empty: {} },
    '20-x': 'd',
    'elsewhere.conf': t.fixture('symlink', '20'),
    'gone.conf': t.fixture('symlink', 'nowhere'),
    'linked.conf': t.fixture('symlink', '10.conf'),
  })
  const files = await filesBelow(systemHost(), folder)
  t.strictSame(
    files.map(({ path, bytes }) => `${path.slice(folder.length + 1)} ${bytes}`),
    ['10.conf a', '20/a-b c', '20/deep/b b', '20-x d', 'linked.conf a'],
  )
})

t.test('an immutable file is told without opening it', async (t) => {
  const folder = t.testdir({ config: 'x' })
  const path = join(folder, 'config')
  t.ok(await systemHost().isWritable(path))
  t.ok(await systemHost().isWritable(folder))
  const { code } = await runProgram(['chattr', '+i', path], { timeoutMs: 5000 })
  if (code !== 0) return t.comment('not tried: it needs a file system with attributes')
  t.notOk(await systemHost().isWritable(path))
  await runProgram(['chattr', '-i', path], { timeoutMs: 5000 })
})

t.test('a full disk has an error of its own, and the file is as before', async (t) => {
  const folder = t.testdir()
  const run = (...argv: string[]): Promise<Ran> => runProgram(argv, { timeoutMs: 5000 })
  const { code } = await run('mount', '-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', folder)
  if (code !== 0) return t.comment('not tried: it needs the right to mount')
  try {
    const path = join(folder, 'config')
    await writeFile(path, 'old')
    await t.rejects(replaceFile(nodeDisk, path, Buffer.alloc(100_000)), NoSpaceError)
    t.equal(await readFile(path, 'utf8'), 'old')
    t.strictSame(await readdir(folder), ['config'])
    await run('mount', '-o', 'remount,ro', folder)
    await t.rejects(replaceFile(nodeDisk, path, Buffer.from('new')), ReadOnlyError)
    t.notOk(await systemHost().isWritable(folder))
  } finally {
    await run('umount', folder)
  }
})

t.test('other errors stay what they are', async (t) => {
  const error = Object.assign(new Error('no'), { code: 'EIO' })
  t.equal(writeError(error, '/x'), error)
})

t.test('programs run without a shell, with their output, code and deadline', async (t) => {
  const ran = await runProgram(['printf', '%s', '$(id); `id` && exit'], { timeoutMs: 5000 })
  t.strictSame(ran, { code: 0, stdout: '$(id); `id` && exit', stderr: '' })
  t.equal((await runProgram(['cat'], { timeoutMs: 5000, input: 'given' })).stdout, 'given')
  t.equal((await runProgram(['false'], { timeoutMs: 5000 })).code, 1)
  await t.rejects(runProgram(['/no/such/program'], { timeoutMs: 5000 }), /cannot be run/)
  await t.rejects(runProgram(['sleep', '60'], { timeoutMs: 50 }), /took longer than 50 ms/)
})

t.test('what systemctl shows of a unit', async (t) => {
  const shown = [
    'LoadState=loaded',
    'ActiveState=active',
    'SubState=running',
    'InvocationID=0123abcd',
    'MainPID=42',
    'ExecStart={ path=/usr/bin/containerd ; argv[]=/usr/bin/containerd --config path=/x ; ignore_errors=no ; pid=0 }',
    'FragmentPath=/lib/systemd/system/containerd.service',
    'UnitFileState=enabled',
    'DropInPaths=/etc/systemd/system/containerd.service.d/a.conf /run/b.conf',
  ]
  t.strictSame(parseUnit(shown.join('\n')), {
    loadState: 'loaded',
    activeState: 'active',
    subState: 'running',
    invocationId: '0123abcd',
    mainPid: 42,
    execStart: '/usr/bin/containerd',
    enabled: 'enabled',
    files: ['/lib/systemd/system/containerd.service', '/etc/systemd/system/containerd.service.d/a.conf', '/run/b.conf'],
  })
  t.match(parseUnit('LoadState=not-found\nExecStart='), {
    loadState: 'not-found',
    execStart: '',
    files: [],
    mainPid: 0,
  })
})

t.test('a start that ends in another state than active is an error with advice', async (t) => {
  const calls: string[] = []
  const disk = { list: async () => [], sync: async () => {} }
  const units = systemdUnits(async (argv) => {
    calls.push(argv.slice(3).join(' '))
    return { code: 0, stdout: 'ActiveState=failed\nSubState=failed', stderr: '' }
  }, disk)
  await t.rejects(
    units.startUnit('containerd.service', 1000),
    /is failed \(failed\): see journalctl -u containerd.service/,
  )
  t.strictSame(calls.slice(0, 2), ['reset-failed -- containerd.service', 'start -- containerd.service'])
  calls.length = 0
  await units.stopUnit('containerd.service')
  t.strictSame(
    calls.filter((call) => !call.startsWith('show')),
    ['stop -- containerd.service', 'reset-failed -- containerd.service'],
  )
  const refusing = systemdUnits(async () => ({ code: 5, stdout: '', stderr: 'Unit is masked.\n' }), disk)
  await t.rejects(refusing.startUnit('x.service', 1000), /systemctl start x.service failed: Unit is masked/)
})

t.test('what was enabled is durable, and nothing is asked of a unit twice', async (t) => {
  const calls: string[] = []
  const disk = {
    list: async () => ['kubelet.service.d', 'multi-user.target.wants', 'sockets.target.wants'],
    sync: async (path: string) => void calls.push(`sync ${path}`),
  }
  const units = systemdUnits(async (argv) => {
    calls.push(argv.slice(3).join(' '))
    return { code: 0, stdout: '', stderr: '' }
  }, disk)
  await units.setEnabled(['a.socket', 'a.service'], false)
  await units.daemonReload()
  t.strictSame(calls, [
    'disable -- a.socket a.service',
    'sync /etc/systemd/system/multi-user.target.wants',
    'sync /etc/systemd/system/sockets.target.wants',
    'sync /etc/systemd/system',
    'daemon-reload',
  ])
})

t.test('a folder has one writer, and a killed one leaves no lock', async (t) => {
  const folder = t.testdir()
  const first = await lockFolder(folder)
  await t.rejects(lockFolder(folder), /Another Drydock process/)
  await first.close()
  const source = join(import.meta.dirname, '../../node-agent/journal/lock.ts')
  const script = `const { lockFolder } = await import(${JSON.stringify(source)})
    globalThis.kept = await lockFolder(${JSON.stringify(folder)}); console.log('locked'); setInterval(() => {}, 1000)`
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] })
  await once(child.stdout!, 'data')
  await t.rejects(lockFolder(folder), /Another Drydock process/)
  child.kill('SIGKILL')
  await once(child, 'exit')
  await (await lockFolder(folder)).close()
})

t.test('makeDurable follows a link to the file', async (t) => {
  const folder = t.testdir({ sub: { real: 'x' } })
  await mkdir(join(folder, 'other'))
  await symlink('../sub/real', join(folder, 'other/link'))
  await t.resolves(makeDurable(nodeDisk, join(folder, 'other/link')))
})
