/** A change of packages, in both directions. */
import type { Host } from '../../host/host.ts'
import type { PackageChange } from '../../journal/records.ts'
import { apt } from './apt.ts'
import { dnf } from './dnf.ts'
import type { PackageManager } from './manager.ts'
import { zypper } from './zypper.ts'

export const managers: readonly PackageManager[] = [apt, dnf, zypper]

/** From files that lie on the host. Can be repeated after it was cut off at any point. */
export async function installPackages(host: Host, change: PackageChange): Promise<void> {
  await managerOf(change).carryOut(host, { install: change.install, remove: [], held: change.held, brought: [] })
  // A manager's scripts do so too, but not all of them.
  await host.daemonReload()
}

/** Former versions come back, what there was none of goes, whether the installation was whole, half or never begun. */
export async function restorePackages(host: Host, change: PackageChange): Promise<void> {
  const manager = managerOf(change)
  const install = change.former.flatMap(({ name, version, archive }) =>
    version !== undefined && archive !== undefined ? [{ name, version, archive }] : [],
  )
  const remove = change.former.filter(({ version }) => version === undefined).map(({ name }) => name)
  await manager.carryOut(host, { install, remove, held: change.held, brought: change.brought })
  for (const path of change.brought) {
    if (manager.leftovers.some((ending) => path.endsWith(ending))) await host.removeFile(path)
  }
  await host.daemonReload()
}

function managerOf(change: PackageChange): PackageManager {
  const manager = managers.find(({ name }) => name === change.manager)
  if (!manager) throw new Error(`Drydock does not know the package manager ${change.manager}.`)
  return manager
}
