/** The container's cgroup, read back from the kernel: where it is and what limits it. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { cgroupParent, cpu, memoryLimitBytes } from './pod.ts'
import type { CgroupDriver, HandlerProof, HostPaths, Step } from './proof.ts'

export const cgroup: Step<HandlerProof> = {
  name: 'Cgroup',
  async run({ options, found }) {
    const { paths, cgroupVersion, cgroupDriver } = options
    const own = await pathsOf(paths, found.pid)
    const [memory, processor] =
      cgroupVersion === 'v2' ? [own.get(''), own.get('')] : [own.get('memory'), own.get('cpu')]
    if (memory === undefined || processor === undefined) {
      throw new Error(`process ${found.pid} of the container is in no cgroup ${cgroupVersion} with memory and cpu`)
    }
    const wrong = misplaced(memory, cgroupDriver, found.containerId)
    if (wrong) throw new Error(wrong)
    const under = (controller: string): string =>
      cgroupVersion === 'v2' ? paths.cgroup : join(paths.cgroup, controller)
    const memoryFolder = join(under('memory'), memory)
    const processorFolder = join(under('cpu'), processor)
    const ownOf = (folder: string): string => containersOwn(folder, found.containerId)
    await limited([memoryFolder, ownOf(memoryFolder)], memoryFile[cgroupVersion], String(memoryLimitBytes))
    for (const [file, value] of cpuFiles[cgroupVersion]) {
      await limited([processorFolder, ownOf(processorFolder)], file, value)
    }
    found.cgroup = { path: memory, folders: [ownOf(memoryFolder), ownOf(processorFolder)], memoryLimitBytes }
  },
}

const memoryFile = { v1: 'memory.limit_in_bytes', v2: 'memory.max' } as const
const cpuFiles = {
  v1: [
    ['cpu.cfs_quota_us', String(cpu.quota)],
    ['cpu.cfs_period_us', String(cpu.period)],
  ],
  v2: [['cpu.max', `${cpu.quota} ${cpu.period}`]],
} as const

/** By controller; the empty name is the unified hierarchy of cgroup v2. */
async function pathsOf({ proc }: HostPaths, pid: number): Promise<Map<string, string>> {
  const text = await readFile(join(proc, String(pid), 'cgroup'), 'utf8').catch((error: Error) => {
    throw new Error(`process ${pid} of the container is gone: ${error.message}`)
  })
  const own = new Map<string, string>()
  for (const line of text.trim().split('\n')) {
    const [, controllers = '', path = '/'] = /^\d+:([^:]*):(.*)$/.exec(line) ?? []
    for (const controller of controllers.split(',')) own.set(controller, path)
  }
  return own
}

/** The form of the path tells the driver that made it. https://systemd.io/CGROUP_DELEGATION/ */
function misplaced(path: string, driver: CgroupDriver, containerId: string): string | undefined {
  const scope = new RegExp(`\\.slice/[^/]*${containerId}\\.scope(/|$)`)
  const fits =
    driver === 'systemd'
      ? scope.test(path)
      : path.includes(`${cgroupParent.cgroupfs}/`) && path.includes(containerId) && !path.includes('.scope')
  if (fits) return undefined
  const form = driver === 'systemd' ? '….slice/…-ID.scope' : `${cgroupParent.cgroupfs}/…ID`
  return `the container is in cgroup ${path}, which the cgroup driver ${driver} would not make (${form}): the engine does not use ${driver} for this handler`
}

/** The folder that is named after the container: crun puts the process into a child of it. The limits are on one of both. */
function containersOwn(folder: string, containerId: string): string {
  const names = folder.split('/')
  const at = names.findIndex((name) => name.includes(containerId))
  return at < 0 ? folder : names.slice(0, at + 1).join('/')
}

/** Throws unless the kernel limits the process to what was asked for, in one of the folders. */
async function limited(folders: readonly string[], file: string, wanted: string): Promise<void> {
  const values: string[] = []
  for (const folder of new Set(folders)) {
    const text = await readFile(join(folder, file), 'utf8').catch((error: Error) => {
      throw new Error(`the kernel shows no ${file} for the container: ${error.message}`)
    })
    values.push(text.trim())
  }
  if (values.includes(wanted)) return
  throw new Error(`the kernel has ${file} = ${values.join(', ')} for the container where ${wanted} was asked for`)
}
