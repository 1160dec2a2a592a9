import { spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { chmod, copyFile, mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { exists } from './cache.ts'
import { type Cgroup, createCgroup, destroyCgroup, killAtOnce, processesIn } from './cgroup.ts'
import { containerd } from './engines/containerd.ts'
import { bridge, inNetwork } from './network.ts'
import { hyperkubeFolder, type NodeSpec } from './node-files.ts'
import { nodeKinds } from './node-kind.ts'
import { must, type Output, type RunOptions, run, succeeded } from './process.ts'
import { waitFor } from './progress.ts'

/** A machine: what is needed to start it, to enter it and to end it. All of it is derived from the cluster's name and folder. */
export interface Machine {
  spec: NodeSpec
  /** Unique on this computer. */
  machineName: string
  /** Its root file system on this computer. */
  root: string
  /** Gets what its console says. */
  console: string
  cgroup: Cgroup
  netns: string
  /** The folder with hyperkube on this computer. */
  kubernetes: string
}

/** Copies the base. With --reflink the copy is free where the file system can share blocks. */
export async function createRoot(base: string, root: string): Promise<void> {
  await must(['cp', '-a', '--reflink=auto', base, root])
  // systemd makes a new one at the first boot, unless D-Bus has one from when its package was installed.
  await writeFile(join(root, 'etc/machine-id'), '')
  await rm(join(root, 'var/lib/dbus/machine-id'), { force: true })
}

/** Copies programs of this computer to their places on the node. */
export async function installPrograms(root: string, programs: readonly Program[]): Promise<void> {
  for (const { from, to } of programs) {
    await mkdir(dirname(join(root, to)), { recursive: true })
    await copyFile(from, join(root, to))
    await chmod(join(root, to), 0o755)
  }
}

export interface Program {
  from: string
  to: string
}

/** How long systemd-nspawn has to put itself into the machine's cgroup. */
const startMs = 3_000

/** Boots the machine and waits until its systemd has started everything. Throws with the console's last lines. */
export async function boot(machine: Machine): Promise<void> {
  if ((await initOf(machine)) !== undefined) throw new Error(`node ${machine.spec.name} is running already`)
  await destroyCgroup(machine.cgroup)
  await createCgroup(machine.cgroup)
  let started = start(machine)
  try {
    const state = async (): Promise<string | undefined> => {
      const now = await bootState(machine)
      // The kernel takes down the network of a machine that lost its power after its last process has gone. Until then
      // systemd-nspawn finds the name of its interface taken, and ends.
      const isOver = Date.now() > started + startMs && (await processesIn(machine.cgroup)).length === 0
      if (now !== undefined && isOver) started = start(machine)
      return now
    }
    await waitFor(`node ${machine.spec.name}`, state, { timeout: 180_000 })
  } catch (error) {
    throw new Error(`${(error as Error).message}\n${await consoleTail(machine)}`, { cause: error })
  }
}

function start(machine: Machine): number {
  startDetached(machine.cgroup, inNetwork(machine.netns, nspawn(machine)), {
    log: machine.console,
    env: { ...process.env, SYSTEMD_NSPAWN_UNIFIED_HIERARCHY: '0' },
  })
  return Date.now()
}

async function bootState(machine: Machine): Promise<string | undefined> {
  if ((await initOf(machine)) === undefined) return 'systemd-nspawn has not started it'
  const { stdout, stderr } = await enter(machine, ['systemctl', 'is-system-running'], { timeout: 10_000 })
  const state = stdout.trim()
  return state === 'running' || state === 'degraded' ? undefined : `systemd says ${state || stderr.trim()}`
}

/** Ends every process of the machine at once, as a power cut does. Its files stay. */
export async function powerOff(machine: Machine): Promise<void> {
  if ((await initOf(machine)) !== undefined) await killAtOnce(machine.cgroup)
  await destroyCgroup(machine.cgroup)
}

/** Runs a program in the machine. Output.code is 255 when the machine is off. */
export async function enter(machine: Machine, argv: readonly string[], options: RunOptions = {}): Promise<Output> {
  const command = await entering(machine, argv)
  if (!command) return { code: 255, stdout: '', stderr: `node ${machine.spec.name} is off` }
  return run(command, options)
}

/** The command of this computer that runs `argv` in the machine, with the machine's environment; undefined when it is off. */
export async function entering(machine: Machine, argv: readonly string[]): Promise<string[] | undefined> {
  const init = await initOf(machine)
  if (init === undefined) return undefined
  const path = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
  const clean = ['env', '-i', `PATH=${path}`, 'HOME=/root', 'LANG=C.UTF-8', 'TERM=xterm']
  // In the machine's cgroup: a program left behind in ours would see its own cgroup as a path outside of the machine.
  return inCgroup(await seenAsRoot(machine.cgroup), ['nsenter', `--target=${init}`, '--all', '--', ...clean, ...argv])
}

/** What the machine has as its topmost cgroup: nspawn keeps itself apart from it where the machine's systemd manages it. */
async function seenAsRoot({ folders }: Cgroup): Promise<Cgroup> {
  const roots = folders.map(async (folder) => {
    const payload = join(folder, 'payload')
    return (await exists(payload)) ? payload : folder
  })
  return { folders: await Promise.all(roots) }
}

/** The machine's process 1 by its number here; undefined when the machine is off. */
export async function initOf(machine: Machine): Promise<number | undefined> {
  // One hierarchy has them all.
  for (const pid of await processesIn({ folders: machine.cgroup.folders.slice(0, 1) })) {
    const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '')
    // Two process namespaces deep and number 1 there: nspawn itself is one deep, process 1 of a pod is three deep.
    const numbers = /^NSpid:\s*(.*)$/m.exec(status)?.[1]?.split(/\s+/) ?? []
    if (numbers.length === 2 && numbers[1] === '1' && !/^State:\s*[ZX]/m.test(status)) return pid
  }
  return undefined
}

export async function consoleTail(machine: Machine): Promise<string> {
  const text = await readFile(machine.console, 'utf8').catch(() => '')
  return text.trimEnd().split('\n').slice(-25).join('\n')
}

/** Files of the computer outside of the machine's folder that systemd-nspawn keeps for it. */
export async function forget({ machineName, root }: Machine): Promise<void> {
  const found = await stat(root).catch(() => undefined)
  if (found) await rm(`/run/systemd/nspawn/locks/inode-${found.dev}:${found.ino}`, { force: true })
  for (const kind of ['propagate', 'unix-export', 'inaccessible']) {
    await rm(join('/run/systemd/nspawn', kind, machineName), { recursive: true, force: true })
  }
}

function nspawn({ spec, machineName, root, kubernetes }: Machine): string[] {
  const argv = [
    ...['systemd-nspawn', '--quiet', '--register=no', '--keep-unit', '--boot', '--directory', root],
    ...['--machine', machineName, '--hostname', spec.name, '--capability=all', '--private-users=no'],
    ...['--network-veth', `--network-bridge=${bridge}`, '--resolv-conf=off', '--timezone=off', '--link-journal=no'],
    ...['--system-call-filter=@mount @keyring bpf add_key keyctl', '--console=pipe', '--bind=/dev/kmsg'],
    `--bind-ro=${kubernetes}:${hyperkubeFolder}`,
  ]
  // systemd 257 boots on cgroup v1 only when told to.
  return nodeKinds[spec.kind].release === 'debian13' ? [...argv, 'SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE=1'] : argv
}

/** Starts a program that outlives this process, in the cgroup that it will be ended by. */
export function startDetached(
  cgroup: Cgroup,
  argv: readonly string[],
  { log, env }: { log: string; env?: NodeJS.ProcessEnv },
): void {
  const [program = '', ...rest] = inCgroup(cgroup, argv)
  const file = openSync(log, 'a')
  const child = spawn(program, rest, { detached: true, env: env ?? process.env, stdio: ['ignore', file, file] })
  child.on('error', () => undefined)
  child.unref()
  closeSync(file)
}

/** A process is where its parent was until it moves: it has to do that itself, before it becomes the program. */
function inCgroup({ folders }: Cgroup, argv: readonly string[]): string[] {
  const script = 'n=$1; shift; while [ "$n" -gt 0 ]; do echo $$ > "$1/cgroup.procs"; shift; n=$((n-1)); done; exec "$@"'
  return ['sh', '-c', script, 'sh', String(folders.length), ...folders, ...argv]
}

/** Imports an image archive into the engine that the machine was made with, for the kubelet to find. */
export async function loadImage(machine: Machine, archive: string): Promise<void> {
  // A node that was made without an engine has got containerd since.
  const { engine = containerd } = nodeKinds[machine.spec.kind]
  const file = openSync(archive, 'r')
  try {
    const argv = await engine.importing(archive)
    succeeded(argv, await enter(machine, argv, { input: file, timeout: 300_000 }))
  } finally {
    closeSync(file)
  }
}

/** The last lines of the machine's journal, or of its console when it is off. */
export async function nodeLogs(machine: Machine, lines: number, units: readonly string[]): Promise<string> {
  const filter = units.map((unit) => `--unit=${unit}`)
  const journal = ['journalctl', '--no-pager', '--output=short', `--lines=${lines}`, ...filter]
  const { code, stdout } = await enter(machine, journal, { timeout: 15_000 })
  return code === 0 ? stdout : consoleTail(machine)
}
