import { mkdir, readdir, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Cache } from './cache.ts'
import { must } from './process.ts'
import type { Log } from './progress.ts'

export type Release = 'debian12' | 'debian13'

export interface Base {
  /** A root file system to copy; never to be changed. */
  root: string
}

export interface EngineBase extends Base {
  /** The packages that made the engine-less base into this one, with all they need. */
  packages: string
}

export const suites: Record<Release, string> = { debian12: 'bookworm', debian13: 'trixie' }

const systemPackages = [
  ...['systemd', 'systemd-sysv', 'dbus', 'udev', 'kmod', 'procps', 'ca-certificates'],
  ...['iproute2', 'iptables', 'conntrack', 'ethtool', 'socat', 'iputils-ping', 'libseccomp2'],
]

/** What a base has beyond the engine-less one. */
export interface Layer {
  /** Ends the base's name. */
  name: string
  packages: readonly string[]
}

/** Kept as packages, not installed: busybox for an image. */
const downloaded = ['busybox-static']

/** Nobody reads them on a node, and they are half of the files to copy for each. */
const unread = ['usr/share/doc', 'usr/share/man', 'usr/share/info', 'usr/share/locale', 'var/lib/apt/lists']

/** Units that wait for hardware, a login or the network of a real machine. */
const masked = [
  ...['systemd-logind.service', 'console-getty.service', 'getty@tty1.service', 'systemd-networkd-wait-online.service'],
  ...['apt-daily.timer', 'apt-daily-upgrade.timer', 'dpkg-db-backup.timer', 'fstrim.timer', 'e2scrub_all.timer'],
  ...['e2scrub_reap.service', 'systemd-udev-trigger.service', 'systemd-udev-settle.service'],
]

/** A Debian release that boots, without any container engine. */
export async function bareBase(cache: Cache, release: Release): Promise<Base> {
  const suite = suites[release]
  const folder = await cache.get({
    name: `base-${release}-bare`,
    key: JSON.stringify([suite, systemPackages, unread, masked, 1]),
    build: async (target, detail) => {
      const root = join(target, 'root')
      const include = `--include=${systemPackages.join(',')}`
      await must(contained(['debootstrap', '--variant=minbase', include, suite, root]), { onLine: detail })
      await settle(root)
    },
  })
  return { root: join(folder, 'root') }
}

/** The same with packages of that release. */
export async function engineBase(cache: Cache, release: Release, layer: Layer): Promise<EngineBase> {
  const bare = await bareBase(cache, release)
  const folder = await cache.get({
    name: ['base', release, layer.name].filter(Boolean).join('-'),
    key: JSON.stringify([bare.root, layer.packages, downloaded, 1]),
    build: async (target, detail) => {
      const root = join(target, 'root')
      await must(['cp', '-a', '--reflink=auto', bare.root, root])
      await install(root, layer.packages, detail)
      await keepPackages(root, join(target, 'packages'))
      await removeUnread(root)
    },
  })
  return { root: join(folder, 'root'), packages: join(folder, 'packages') }
}

async function install(root: string, packages: readonly string[], detail: Log): Promise<void> {
  const policy = join(root, 'usr/sbin/policy-rc.d')
  // No service may start in a folder that is not a running machine.
  await writeFile(policy, '#!/bin/sh\nexit 101\n', { mode: 0o755 })
  await must(['cp', '--dereference', '/etc/resolv.conf', join(root, 'etc/resolv.conf')])
  const inside = (...argv: string[]) =>
    must(contained(['chroot', root, 'env', 'DEBIAN_FRONTEND=noninteractive', ...argv]), { onLine: detail })
  await inside('apt-get', 'update', '--quiet')
  await inside('apt-get', 'install', '--quiet', '--yes', '--no-install-recommends', ...packages)
  await inside('apt-get', 'install', '--quiet', '--yes', '--download-only', '--no-install-recommends', ...downloaded)
  await rm(policy)
  await rm(join(root, 'etc/resolv.conf'))
}

async function keepPackages(root: string, packages: string): Promise<void> {
  const archives = join(root, 'var/cache/apt/archives')
  await mkdir(packages)
  for (const name of await readdir(archives)) {
    if (name.endsWith('.deb')) await rename(join(archives, name), join(packages, name))
  }
}

/** From a folder of packages to a machine: boots by itself to multi-user, gets a new identity, keeps its journal. */
async function settle(root: string): Promise<void> {
  await removeUnread(root)
  const units = join(root, 'etc/systemd/system')
  for (const unit of masked) {
    await rm(join(units, unit), { force: true })
    await symlink('/dev/null', join(units, unit))
  }
  await must(['systemctl', `--root=${root}`, 'enable', 'systemd-networkd.service'])
  await must(['systemctl', `--root=${root}`, 'set-default', 'multi-user.target'])
  await writeFile(join(root, 'etc/machine-id'), '')
  await rm(join(root, 'etc/hostname'), { force: true })
  await rm(join(root, 'etc/resolv.conf'), { force: true })
  await mkdir(join(root, 'var/log/journal'), { recursive: true })
}

async function removeUnread(root: string): Promise<void> {
  for (const path of unread) {
    await rm(join(root, path), { recursive: true, force: true })
    await mkdir(join(root, path), { recursive: true })
  }
  for (const name of await readdir(join(root, 'var/cache/apt'))) {
    if (name.endsWith('.bin')) await rm(join(root, 'var/cache/apt', name))
  }
}

/**
 * The command in process and mount namespaces of its own: whatever it starts ends with it, whatever it mounts is gone
 * then, however it ends.
 */
function contained(argv: readonly string[]): string[] {
  return ['unshare', '--mount', '--pid', '--fork', '--kill-child=SIGKILL', '--mount-proc', ...argv]
}
