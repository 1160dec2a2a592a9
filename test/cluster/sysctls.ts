import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { exists } from './cache.ts'
import { withLock } from './lock.ts'
import type { Settings } from './settings.ts'
import { clusterNames } from './state.ts'

/** Settings of the whole computer that a kubelet changes when it starts. */
const changedByKubelets = [
  ...['vm/overcommit_memory', 'vm/panic_on_oom', 'kernel/panic', 'kernel/panic_on_oops'],
  ...['kernel/keys/root_maxkeys', 'kernel/keys/root_maxbytes'],
].map((name) => `/proc/sys/${name}`)

/** Each node takes some twenty inotify instances; the kernel's default for a user is enough for six nodes. */
const raised: Readonly<Record<string, number>> = { '/proc/sys/fs/inotify/max_user_instances': 4096 }

/** Notes them before the first cluster of this computer starts, and raises what clusters need more of. */
export function rememberSysctls(settings: Settings): Promise<void> {
  return exclusively(async () => {
    const note = noteOf(settings)
    if (await exists(note)) return
    const values: Record<string, string> = {}
    for (const path of [...changedByKubelets, ...Object.keys(raised)]) values[path] = await readFile(path, 'utf8')
    await mkdir(settings.cache, { recursive: true })
    await writeFile(note, JSON.stringify(values))
    for (const [path, needed] of Object.entries(raised)) {
      if (Number(values[path]) < needed) await writeFile(path, String(needed))
    }
  })
}

/** Sets them back after the last one is gone. */
export function restoreSysctls(settings: Settings): Promise<void> {
  return exclusively(async () => {
    const note = noteOf(settings)
    if ((await clusterNames(settings)).length > 0 || !(await exists(note))) return
    const values = JSON.parse(await readFile(note, 'utf8')) as Record<string, string>
    for (const [path, value] of Object.entries(values)) await writeFile(path, value)
    await rm(note)
  })
}

function exclusively(work: () => Promise<void>): Promise<void> {
  return withLock('sysctls', () => undefined, work)
}

function noteOf(settings: Settings): string {
  return join(settings.cache, 'sysctls.json')
}
