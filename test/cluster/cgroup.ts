import { existsSync } from 'node:fs'
import { mkdir, readdir, readFile, rmdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { exists } from './cache.ts'
import { waitFor } from './progress.ts'

/**
 * The same cgroup in each hierarchy of this machine, as one folder each. All of a cluster's processes live below one
 * such set, so that ending the cluster needs no memory of what was started, only the cluster's name.
 */
export interface Cgroup {
  /** Folders, one a hierarchy. */
  folders: string[]
}

/**
 * Where this process is, in every mounted hierarchy. Throws on a machine with cgroup v2 alone: the node's own systemd
 * needs a delegated subtree there, which this test bed does not make.
 */
export async function ownCgroup(): Promise<Cgroup> {
  const mounts = await cgroupMounts()
  const lines = (await readFile('/proc/self/cgroup', 'utf8')).trim().split('\n')
  const folders = lines.flatMap((line) => {
    const [, controllers = '', path = '/'] = /^\d+:([^:]*):(.*)$/.exec(line) ?? []
    const mount = mounts.find((candidate) => candidate.controllers === controllers)
    return mount ? [join(mount.folder, path)] : []
  })
  if (!folders.some((folder) => folder.startsWith('/sys/fs/cgroup/systemd'))) {
    throw new Error(
      'this machine has no cgroup v1 hierarchy named systemd: the nodes of the test bed boot on the hybrid layout. ' +
        'Boot it with systemd.unified_cgroup_hierarchy=0, or mount one at /sys/fs/cgroup/systemd',
    )
  }
  return { folders }
}

/** The cgroup of that name below `parent`; it need not exist. */
export function below(parent: Cgroup, name: string): Cgroup {
  return { folders: parent.folders.map((folder) => join(folder, name)) }
}

export async function createCgroup({ folders }: Cgroup): Promise<void> {
  for (const folder of folders) {
    await mkdir(folder, { recursive: true })
    if (!(await exists(join(folder, 'cpuset.cpus')))) continue
    // A cpuset starts empty, and no process may enter an empty one.
    for (const file of ['cpuset.cpus', 'cpuset.mems']) {
      await writeFile(join(folder, file), await readFile(join(folder, '..', file), 'utf8'))
    }
    await writeFile(join(folder, 'cgroup.clone_children'), '1')
  }
}

/** The processes in it and below it, by the number they have here. */
export async function processesIn({ folders }: Cgroup): Promise<number[]> {
  const found = new Set<number>()
  for (const top of folders) {
    for (const folder of await subtree(top)) {
      const text = await readFile(join(folder, 'cgroup.procs'), 'utf8').catch(() => '')
      for (const line of text.split('\n')) if (Number(line) > 0) found.add(Number(line))
    }
  }
  return [...found]
}

/**
 * Ends everything in it at the same instant: nothing gets to see that something else has ended. A process that is frozen
 * takes its SIGKILL as the first thing when it thaws.
 */
export async function killAtOnce(cgroup: Cgroup): Promise<void> {
  const freezer = cgroup.folders.map((folder) => join(folder, 'freezer.state')).find((file) => existsSync(file))
  if (!freezer) throw new Error('this machine has no cgroup v1 freezer: mount one at /sys/fs/cgroup/freezer')
  await writeFile(freezer, 'FROZEN')
  const freezing = async () => {
    const state = (await readFile(freezer, 'utf8')).trim()
    return state === 'FROZEN' ? undefined : `it is ${state}`
  }
  await waitFor('a standstill of all processes', freezing, { timeout: 10_000, every: 5 })
  for (const pid of await processesIn(cgroup)) process.kill(pid, 'SIGKILL')
  await writeFile(freezer, 'THAWED')
}

/** Ends everything in it and removes it. Throws when something outlives SIGKILL for 20 seconds. */
export async function destroyCgroup(cgroup: Cgroup): Promise<void> {
  const ending = async () => {
    const left = await processesIn(cgroup)
    for (const pid of left) {
      try {
        process.kill(pid, 'SIGKILL')
      } catch {
        // Ended in the meantime.
      }
    }
    return left.length === 0 ? undefined : `processes ${left.slice(0, 10).join(', ')} are still there`
  }
  await waitFor('the end of all processes', ending, { timeout: 20_000, every: 50 })
  const removing = async () => {
    const stuck: string[] = []
    for (const top of cgroup.folders) {
      for (const folder of (await subtree(top)).reverse()) await rmdir(folder).catch(() => stuck.push(folder))
    }
    return stuck.length === 0 ? undefined : `${stuck[0]} is busy`
  }
  await waitFor('the removal of the cgroups', removing, { timeout: 10_000, every: 50 })
}

/** The folder and all below it, parents first; nothing when it is not there. */
async function subtree(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => undefined)
  if (!entries) return []
  const children = entries.filter((entry) => entry.isDirectory()).map((entry) => subtree(join(folder, entry.name)))
  return [folder, ...(await Promise.all(children)).flat()]
}

interface CgroupMount {
  folder: string
  /** As /proc/PID/cgroup spells them: `cpu,cpuacct`, `name=systemd`, or empty for version 2. */
  controllers: string
}

async function cgroupMounts(): Promise<CgroupMount[]> {
  const flags = new Set(['rw', 'ro', 'xattr', 'clone_children', 'none', 'noprefix'])
  return (await readFile('/proc/self/mountinfo', 'utf8')).split('\n').flatMap((line) => {
    const [before = '', after = ''] = line.split(' - ')
    const folder = before.split(' ')[4] ?? ''
    const [type, , options = ''] = after.split(' ')
    if (type === 'cgroup2') return [{ folder, controllers: '' }]
    if (type !== 'cgroup') return []
    const names = options
      .split(',')
      .filter((option) => !flags.has(option) && !/^(release_agent|nsdelegate)/.test(option))
    return [{ folder, controllers: names.join(',') }]
  })
}
