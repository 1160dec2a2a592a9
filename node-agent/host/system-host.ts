/** The host that this process runs on. */
import { execFile } from 'node:child_process'
import { constants } from 'node:fs'
import { access, stat, statfs } from 'node:fs/promises'
import { dirname } from 'node:path'
import { discardUnfinished, makeDurable, removeFile, removeFolder, replaceFile } from './durable.ts'
import { isMissing } from './errors.ts'
import type { Host, Ran } from './host.ts'
import { nodeDisk } from './node-disk.ts'
import { systemdUnits } from './systemd.ts'

/** What a program may print before it is stopped: `containerd config dump` prints some 20 kB. */
const maxOutputBytes = 8 * 1024 * 1024

/** The same for every program: what a unit's environment holds (proxies, LD_*) is none of theirs. */
const environment = {
  PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  LC_ALL: 'C.UTF-8',
  HOME: '/root',
}

export function runProgram(
  argv: readonly string[],
  { timeoutMs, input }: { timeoutMs: number; input?: string },
): Promise<Ran> {
  const [program, ...args] = argv
  if (program === undefined) throw new Error('no program is named')
  const options = {
    timeout: timeoutMs,
    killSignal: 'SIGKILL',
    maxBuffer: maxOutputBytes,
    cwd: '/',
    env: environment,
  } as const
  return new Promise((resolve, reject) => {
    const child = execFile(program, args, options, (error, stdout, stderr) => {
      if (!error) return resolve({ code: 0, stdout, stderr })
      if (error.killed) return reject(new Error(`${argv.join(' ')} took longer than ${timeoutMs} ms`, { cause: error }))
      if (typeof error.code !== 'number')
        return reject(new Error(`${program} cannot be run: ${error.message}`, { cause: error }))
      resolve({ code: error.code, stdout, stderr })
    })
    // A program that ends without reading its input must not end this one.
    child.stdin?.on('error', () => {})
    child.stdin?.end(input ?? '')
  })
}

async function isExecutable(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK)
    return (await stat(path)).isFile()
  } catch {
    return false
  }
}

/** Root may write to every mode: what access(2) still refuses stays as it is. */
async function isWritable(path: string): Promise<boolean> {
  return access(path, constants.W_OK).then(
    () => true,
    () => false,
  )
}

/** Of the nearest folder that exists. */
async function freeBytes(path: string): Promise<number> {
  try {
    const { bavail, bsize } = await statfs(path)
    return bavail * bsize
  } catch (error) {
    if (isMissing(error) && path !== '/') return freeBytes(dirname(path))
    throw error
  }
}

export function systemHost(): Host {
  return {
    readFile: (path) => nodeDisk.read(path),
    listFolder: (path) => nodeDisk.list(path),
    realPath: (path) => nodeDisk.resolve(path),
    isExecutable,
    isWritable,
    mode: async (path) => (await nodeDisk.attributes((await nodeDisk.resolve(path)) ?? path))?.mode,
    freeBytes,
    replaceFile: (path, bytes, mode) => replaceFile(nodeDisk, path, bytes, mode === undefined ? {} : { mode }),
    makeDurable: (path) => makeDurable(nodeDisk, path),
    discardUnfinished: (path) => discardUnfinished(nodeDisk, path),
    removeFile: (path) => removeFile(nodeDisk, path),
    removeFolder: (path) => removeFolder(nodeDisk, path),
    run: runProgram,
    ...systemdUnits(runProgram, nodeDisk),
  }
}
