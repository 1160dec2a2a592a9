import { rm } from 'node:fs/promises'
import { exists } from './cache.ts'
import { below, destroyCgroup, ownCgroup } from './cgroup.ts'
import { tryLock } from './lock.ts'
import { unmountBelow } from './network.ts'
import { forget } from './node.ts'
import type { Log } from './progress.ts'
import type { Settings } from './settings.ts'
import { clusterFolder, machinesOf, readState, uniqueName } from './state.ts'
import { restoreSysctls } from './sysctls.ts'

/**
 * Ends all of the cluster: processes, cgroups, network, mounts, files; also of one whose `up` was killed at any point.
 * Does nothing when there is none. Throws while an `up` of that name runs.
 */
export async function takeDown(settings: Settings, name: string, log: Log): Promise<void> {
  const folder = clusterFolder(settings, name)
  const lock = await tryLock(`cluster ${folder}`)
  if (!lock) throw new Error(`cluster ${name} is being brought up or taken down by another process: end that first`)
  try {
    if (!(await exists(folder))) {
      log(`there is no cluster ${name}`)
      return
    }
    const state = await readState(folder)
    // Without a state nothing was started; an empty cgroup may stand.
    await destroyCgroup(state?.cgroup ?? below(await ownCgroup(), uniqueName(settings, name)))
    await unmountBelow(folder)
    for (const machine of state ? machinesOf(settings, state) : []) await forget(machine)
    await rm(folder, { recursive: true, force: true })
    await restoreSysctls(settings)
    log(`cluster ${name} is down`)
  } finally {
    lock.release()
  }
}
