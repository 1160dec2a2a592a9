import { readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { Disk } from '../../node-agent/host/disk.ts'
import { NoSpaceError } from '../../node-agent/host/errors.ts'
import { nodeDisk } from '../../node-agent/host/node-disk.ts'
import { freshMemory } from '../../node-agent/journal/memory.ts'
import type { JournalRecord } from '../../node-agent/journal/records.ts'
import { Store } from '../../node-agent/journal/store.ts'

const at = { boot: 'a', monotonicMs: 1, wall: '2026-01-01T00:00:00Z' }
const first: JournalRecord = { type: 'courier', at }
const second: JournalRecord = { type: 'again', at }
const third: JournalRecord = { type: 'restored', at }

async function opened(t: Test, disk: Disk = nodeDisk): Promise<{ store: Store; folder: string }> {
  const folder = t.testdir()
  const store = new Store(disk, folder)
  await store.makeFolder()
  await store.open(first)
  return { store, folder }
}

t.test('what is appended behind a tail torn at any byte is read', async (t) => {
  const { store, folder } = await opened(t)
  const { size } = await stat(join(folder, 'journal'))
  await store.append(second)
  const whole = await readFile(join(folder, 'journal'))
  for (let length = size; length < whole.length; length++) {
    await writeFile(join(folder, 'journal'), whole.subarray(0, length))
    const next = new Store(nodeDisk, folder)
    t.strictSame(await next.records(), [first], `torn at ${length}`)
    await next.append(third)
    t.strictSame(await new Store(nodeDisk, folder).records(), [first, third], `appended at ${length}`)
  }
})

t.test('a full disk stops a step, and not the undoing', async (t) => {
  let full = false
  const disk: Disk = {
    ...nodeDisk,
    append: async (path, bytes) => {
      if (!full) return nodeDisk.append(path, bytes)
      await nodeDisk.append(path, bytes.subarray(0, 9))
      throw new NoSpaceError('full')
    },
    unlink: async (path) => {
      if (path.endsWith('/reserve')) full = false
      await nodeDisk.unlink(path)
    },
  }
  const { store } = await opened(t, disk)
  full = true
  await t.rejects(store.append({ type: 'step', at, name: 'prove', findings: { podsRemoved: 0 } }), NoSpaceError)
  await store.append({ type: 'back', at, why: { reason: 'StepFailed', message: 'full' } })
  t.match(await store.records(), [{ type: 'courier' }, { type: 'back' }])
})

t.test('bytes that were spoiled are not handed out', async (t) => {
  const { store, folder } = await opened(t)
  const name = await store.blobs.put(Buffer.from('former'))
  t.equal((await store.blobs.get(name))?.toString(), 'former')
  t.equal(await store.blobs.get(null), undefined)
  await writeFile(join(folder, 'backup', String(name)), 'spoiled')
  await t.rejects(store.blobs.get(name), /is spoiled: restore the file by hand/)
  t.equal(await store.blobs.put(Buffer.from('former')), name)
  t.equal((await store.blobs.get(name))?.toString(), 'former', 'written again')
})

t.test('closing keeps what the memory names', async (t) => {
  const { store, folder } = await opened(t)
  const original = await store.blobs.put(Buffer.from('original'))
  const dropped = await store.blobs.put(Buffer.from('dropped'))
  const start = await store.blobs.put(Buffer.from('start'))
  const files = { '/etc/x': { original, written: null }, '/etc/y': { original: null, written: null, start } }
  const memory = { ...freshMemory('m'), files }
  await store.save(memory)
  await store.close(memory)
  t.strictSame(await nodeDisk.list(join(folder, 'backup')), [original, start].sort())
  t.not(original, dropped)
  t.strictSame(await store.records(), [])
  t.strictSame(await store.load(), memory)
  await writeFile(join(folder, 'state.json'), '{')
  await t.rejects(store.load(), /state.json cannot be read/)
})

t.test('nobody else may read it', async (t) => {
  const { folder } = await opened(t)
  t.equal((await stat(join(folder, 'backup'))).mode & 0o777, 0o700)
  t.equal((await stat(join(folder, 'journal'))).mode & 0o777, 0o600)
})
