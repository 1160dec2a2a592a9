/** apt and dpkg. */
import { join } from 'node:path/posix'
import { Refused } from '../../engines/refused.ts'
import type { Host } from '../../host/host.ts'
import { allowServices, withoutServices } from './guard.ts'
import { output, type Package, type PackageAct, type PackageManager, type Resolution, said } from './manager.ts'

/** What another run of apt may hold the lock for, unattended-upgrades included. */
const lockSeconds = 120
const lookMs = 30_000
const fetchMs = 10 * 60_000
/** The lock, then dpkg itself on a slow disk. */
const changeMs = 10 * 60_000

/** No questions, and no restarts of what uses a library that was replaced. */
const environment = ['DEBIAN_FRONTEND=noninteractive', 'NEEDRESTART_SUSPEND=1', 'APT_LISTCHANGES_FRONTEND=none']

const lock = ['-o', `DPkg::Lock::Timeout=${lockSeconds}`]
/** A configuration file that was edited stays; the package's own lies beside it as `.dpkg-dist`. */
const keepConfig = ['-o', 'Dpkg::Options::=--force-confold']
/** Without sources there is nothing that apt could ask the network for. */
const noSources = ['-o', 'Dir::Etc::SourceList=/dev/null', '-o', 'Dir::Etc::SourceParts=/dev/null']
/** What apt works out without sources is no cache for anybody else. */
const offline = [...noSources, '-o', 'Dir::Cache::pkgcache=', '-o', 'Dir::Cache::srcpkgcache=']
const explicit = ['--yes', '--no-install-recommends', '--allow-downgrades', '--allow-change-held-packages']

/** Fields of dpkg-query, with a blank between them. */
const shown = (...fields: string[]): string => `--showformat=${fields.map((field) => `$\{${field}}`).join(' ')}`

export const apt: PackageManager = {
  name: 'apt',

  blocked: async (host) => {
    const { code, stdout } = await host.run(['dpkg', '--audit'], { timeoutMs: lookMs })
    if (code === 0 && stdout.trim() === '') return undefined
    return `an earlier installation was cut off (dpkg --audit: ${said(stdout)}): run dpkg --configure -a on the node, and apt-get --fix-broken install if that is not enough`
  },

  refresh: async (host) => {
    await host.run(['env', ...environment, 'apt-get', 'update', ...lock], { timeoutMs: fetchMs })
  },

  installed: async (host, name) => {
    const argv = ['dpkg-query', '--show', shown('db:Status-Status', 'Version'), '--', name]
    const [status, version] = (await host.run(argv, { timeoutMs: lookMs })).stdout.split(' ')
    return status === 'installed' ? version : undefined
  },

  available: async (host, name) => {
    const policy = await output(host, ['apt-cache', 'policy', '--', name], lookMs)
    const table = await output(host, ['apt-cache', 'madison', '--', name], lookMs)
    const versions = table.split('\n').flatMap((line) => line.split('|')[1]?.trim() ?? [])
    const candidate = /^\s+Candidate: (\S+)/m.exec(policy)?.[1]
    // A candidate that is only installed, from no source, cannot be downloaded.
    const first = candidate !== undefined && versions.includes(candidate) ? [candidate] : []
    return [...new Set([...first, ...versions])]
  },

  resolve: async (host, wanted) => {
    const names = wanted.map(({ name, version }) => `${name}=${version}`)
    const argv = ['env', ...environment, 'apt-get', 'install', '--simulate', ...explicit, '--', ...names]
    const { code, stdout, stderr } = await host.run(argv, { timeoutMs: lookMs })
    if (code === 0) return resolutionOf(stdout)
    const message = `apt cannot install ${names.join(' ')} on this node: ${said(stderr || stdout)}`
    throw new Refused('PackageNotInstallable', message)
  },

  leftovers: ['.dpkg-dist'],
  cache: '/var/cache/apt/archives',

  /** apt writes a colon of a version as `%3a` in the names of files. */
  find: async (host, { name, version }, folder) => {
    const start = `${name}_${version.replaceAll(':', '%3a')}_`
    const found = (await host.listFolder(folder)).find((each) => each.startsWith(start) && each.endsWith('.deb'))
    if (found === undefined) return undefined
    const path = join(folder, found)
    const { code } = await host.run(['dpkg-deb', '--contents', path], { timeoutMs: fetchMs })
    return code === 0 ? path : undefined
  },

  download: async (host, { name, version }, folder) => {
    const download = ['apt-get', 'download', '--', `${name}=${version}`]
    await host.run(['env', `--chdir=${folder}`, ...environment, ...download], { timeoutMs: fetchMs })
  },

  held: async (host, names) => {
    const held = await output(host, ['apt-mark', 'showhold'], lookMs)
    return names.filter((name) => held.split('\n').includes(name))
  },

  unpack: async (host, archive, folder) => {
    await output(host, ['dpkg-deb', '--extract', archive, folder], fetchMs)
  },

  configFiles: async (host, archive) => {
    // Fails when the package has none.
    const { stdout } = await host.run(['dpkg-deb', '--info', archive, 'conffiles'], { timeoutMs: lookMs })
    return stdout.split('\n').filter((line) => line.startsWith('/'))
  },

  carryOut: async (host, act) => {
    // Also where nothing is left to do: a crash may have left the guard in place.
    if (await isDone(host, act)) await allowServices(host)
    else await withoutServices(host, () => carryOut(host, act))
    for (const name of act.remove) await purge(host, name, act.brought)
  },
}

/** `Inst containerd [1.6.20~ds1-1] (1.7.24~ds1-6 Debian:13.1/stable [amd64])`, `Remv docker.io [20.10.24]` */
function resolutionOf(simulated: string): Resolution {
  const install: Package[] = []
  const remove: string[] = []
  for (const line of simulated.split('\n')) {
    const [, name, version] = /^Inst (\S+) (?:\[\S+\] )?\((\S+) /.exec(line) ?? []
    if (name !== undefined && version !== undefined) install.push({ name, version })
    const removed = /^Remv (\S+)/.exec(line)?.[1]
    if (removed !== undefined) remove.push(removed)
  }
  return { install, remove }
}

async function isDone(host: Host, { install, remove, held }: PackageAct): Promise<boolean> {
  for (const { name, version } of install) if ((await apt.installed(host, name)) !== version) return false
  for (const name of remove) if (!isGone(await statusOf(host, name))) return false
  return (await apt.held(host, held)).length === held.length && (await apt.blocked(host)) === undefined
}

async function carryOut(host: Host, act: PackageAct): Promise<void> {
  await repair(host)
  const remove: string[] = []
  for (const name of act.remove) if (!isGone(await statusOf(host, name))) remove.push(`${name}-`)
  const changes = [...act.install.map(({ archive }) => archive), ...remove]
  if (changes.length > 0) {
    const install = [
      'apt-get',
      'install',
      '--reinstall',
      ...explicit,
      ...lock,
      ...keepConfig,
      ...offline,
      '--',
      ...changes,
    ]
    await output(host, ['env', ...environment, ...install], changeMs)
  }
  // apt takes a package that it was told to change for one that may change again.
  if (act.held.length > 0) await output(host, ['apt-mark', 'hold', '--', ...act.held], lookMs)
  if (!(await isDone(host, act))) throw new Error(`apt says that it changed ${changes.join(' ')}, and it did not.`)
}

/** An installation of ours that was cut off: apt refuses to do anything before dpkg has come to an end. */
async function repair(host: Host): Promise<void> {
  if ((await apt.blocked(host)) === undefined) return
  // dpkg does not wait for the lock: apt does, whatever it says then.
  await host.run(['apt-get', 'check', ...lock], { timeoutMs: changeMs })
  // Fails for a package that is only half unpacked, which installing it once more repairs.
  await host.run(['env', ...environment, 'dpkg', '--force-confold', '--configure', '--pending'], {
    timeoutMs: changeMs,
  })
}

async function statusOf(host: Host, name: string): Promise<string> {
  const argv = ['dpkg-query', '--show', shown('db:Status-Status'), '--', name]
  const { code, stdout } = await host.run(argv, { timeoutMs: lookMs })
  return code === 0 ? stdout : 'not-installed'
}

const isGone = (status: string): boolean => status === 'not-installed' || status === 'config-files'

/**
 * dpkg would remember that the configuration files were deleted, and not bring them with the next installation. Purged is
 * only a package all of whose files came with it: others are somebody's.
 */
async function purge(host: Host, name: string, brought: readonly string[]): Promise<void> {
  if ((await statusOf(host, name)) !== 'config-files') return
  const listed = await output(host, ['dpkg-query', '--show', shown('Conffiles'), '--', name], lookMs)
  for (const path of listed.split('\n').flatMap((line) => line.trim().split(' ')[0] || [])) {
    if (!brought.includes(path) && (await host.readFile(path)) !== undefined) return
  }
  await output(host, ['dpkg', '--purge', '--', name], changeMs)
}
