import { access, constants, readFile } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { exists } from './cache.ts'
import { run } from './process.ts'
import type { Progress } from './progress.ts'

/** Programs of this computer that the test bed calls, by the Debian package that has them. */
const programs: Record<string, string> = {
  'systemd-nspawn': 'systemd-container',
  debootstrap: 'debootstrap',
  ip: 'iproute2',
  'docker-registry': 'docker-registry',
  skopeo: 'skopeo',
  'apt-ftparchive': 'apt-utils',
  'dpkg-deb': 'dpkg',
  openssl: 'openssl',
  nsenter: 'util-linux',
}

/** This computer lacks something that the test bed cannot bring: the message says what, and what to do. */
export class PrerequisiteError extends Error {}

/** Installs what is missing. Throws PrerequisiteError when that cannot be. */
export async function ensurePrerequisites(progress: Progress): Promise<void> {
  if (process.platform !== 'linux')
    throw new PrerequisiteError('the test bed needs Linux: its nodes are Linux machines')
  if (process.getuid?.() !== 0) {
    throw new PrerequisiteError('the test bed needs root (it boots machines and makes networks): run it with sudo')
  }
  await installPackages(progress)
  await checkKernel()
}

/** Throws PrerequisiteError unless Go can build the cluster's programs; asked only when they have to be built. */
export async function ensureGo(): Promise<void> {
  if (await onPath('go')) return
  throw new PrerequisiteError(
    'no Go on PATH: the cluster is built from Go modules. Install Go 1.24 or newer (it fetches the version it needs), ' +
      'or name a folder with a ready hyperkube in DRYDOCK_TESTBED_BIN',
  )
}

async function installPackages(progress: Progress): Promise<void> {
  const missing: string[] = []
  for (const [program, name] of Object.entries(programs)) {
    if (!(await onPath(program))) missing.push(name)
  }
  if (missing.length === 0) return
  if (!(await onPath('apt-get'))) {
    throw new PrerequisiteError(`missing ${missing.join(', ')}, and there is no apt-get here: install them by hand`)
  }
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  await progress.step(`installing ${missing.join(', ')}`, async (detail) => {
    await run(['apt-get', 'update', '--quiet'], { env, onLine: detail })
    const install = ['apt-get', 'install', '--quiet', '--yes', '--no-install-recommends', ...missing]
    const { code, stderr } = await run(install, { env, onLine: detail })
    if (code === 0) return
    throw new PrerequisiteError(
      `apt-get cannot install ${missing.join(', ')} (is a Debian mirror reachable?):\n${stderr.trim().slice(-1500)}`,
    )
  })
}

async function checkKernel(): Promise<void> {
  const filesystems = await readFile('/proc/filesystems', 'utf8')
  const needs: [what: string, present: () => Promise<boolean>, module: string][] = [
    ['overlayfs', async () => /\toverlay$/m.test(filesystems), 'overlay'],
    ['bridge netfilter', () => exists('/proc/sys/net/bridge/bridge-nf-call-iptables'), 'br_netfilter'],
    ['network bridges', () => exists('/sys/module/bridge'), 'bridge'],
  ]
  for (const [what, present, module] of needs) {
    if (await present()) continue
    await run(['modprobe', module]).catch(() => undefined)
    const now = module === 'overlay' ? /\toverlay$/m.test(await readFile('/proc/filesystems', 'utf8')) : await present()
    if (!now) throw new PrerequisiteError(`the kernel has no ${what}: load the module ${module} (modprobe ${module})`)
  }
}

async function onPath(program: string): Promise<boolean> {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/sbin']
  for (const folder of folders) {
    const found = await access(join(folder, program), constants.X_OK).then(
      () => true,
      () => false,
    )
    if (found) return true
  }
  return false
}
