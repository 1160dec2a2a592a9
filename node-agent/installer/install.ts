/**
 * Brings the host to where this version's engine stands ready behind its socket. Every step looks before it acts:
 * a second run changes nothing, and a run after a crash goes on where the first one ended.
 */
import { join } from 'node:path'
import type { Clock } from '../../kube/clock.ts'
import type { Log } from '../../kube/log.ts'
import { replaceFile } from '../host/durable.ts'
import { nodeDisk } from '../host/node-disk.ts'
import { hostPath } from './host-path.ts'
import { journalClosed } from './open-journal.ts'
import type { PayloadFile } from './payload.ts'
import { differing, place, removeOthers } from './place.ts'
import type { Systemctl } from './systemctl.ts'

export interface Unit {
  readonly name: string
  readonly text: string
  /** Whether it stands by from now on and from each boot. The others are started by these. */
  readonly enabled: boolean
}

export interface Installation {
  /** Where the host's root is for this container. */
  readonly root: string
  readonly version: string
  readonly files: readonly PayloadFile[]
  /** Of the engine in a folder of the host. */
  readonly units: (folder: string) => readonly Unit[]
  readonly systemctl: Systemctl
  readonly clock: Clock
  readonly log: Log
  /** How long a change that is under way is waited for. */
  readonly waitMs: number
}

export const versionsFolder = '/opt/drydock'
const unitFolder = '/etc/systemd/system'

/** Throws when a change is under way for too long, or when the host does not take the engine; nothing is half replaced then. */
export async function install(installation: Installation): Promise<void> {
  const { root, version, files, systemctl, log } = installation
  const versions = await hostPath(root, versionsFolder)
  const units = installation.units(`${versionsFolder}/${version}`)
  const folder = await hostPath(root, unitFolder)
  const changedFiles = await differing(files, join(versions, version))
  const changedUnits = await differingUnits(units, folder)
  if (changedFiles.length + changedUnits.length > 0) {
    log.info('installing the engine', {
      version,
      files: changedFiles.map(({ target }) => target),
      units: changedUnits.map(({ name }) => name),
    })
    await journalClosed({ ...installation, timeoutMs: installation.waitMs })
    await stop(units, systemctl)
    await place(changedFiles, join(versions, version))
    for (const { name, text } of changedUnits) {
      await replaceFile(nodeDisk, join(folder, name), Buffer.from(text))
    }
  }
  await settle(units, systemctl)
  const removed = await removeOthers(versions, version)
  if (removed.length > 0) log.info('removed other versions of the engine', { versions: removed })
}

async function differingUnits(units: readonly Unit[], folder: string): Promise<readonly Unit[]> {
  const found = await Promise.all(units.map(({ name }) => nodeDisk.read(join(folder, name))))
  return units.filter(({ text }, index) => found[index]?.toString() !== text)
}

/**
 * The listening ones first, so that nothing starts the rest again. What runs keeps the program and the settings that it
 * was started with; stopped before the files change, it is started anew even when a crash comes between.
 */
async function stop(units: readonly Unit[], systemctl: Systemctl): Promise<void> {
  for (const { name } of units.toSorted((a, b) => Number(b.enabled) - Number(a.enabled))) {
    const { active } = await systemctl.standing(name)
    if (active !== 'inactive' && active !== 'failed') await systemctl.stop(name)
  }
}

/** Makes systemd agree with the files: what a crash between writing and telling it left undone is done here too. */
async function settle(units: readonly Unit[], systemctl: Systemctl): Promise<void> {
  const standings = await Promise.all(units.map(({ name }) => systemctl.standing(name)))
  if (standings.some(({ isStale, enabled }) => isStale || enabled === '')) await systemctl.reload()
  for (const { name } of units.filter(({ enabled }) => enabled)) {
    if ((await systemctl.standing(name)).enabled !== 'enabled') await systemctl.enable(name)
    if ((await systemctl.standing(name)).active !== 'active') await systemctl.start(name)
    const { enabled, active } = await systemctl.standing(name)
    if (enabled !== 'enabled' || active !== 'active') {
      throw new Error(
        `${name} is ${enabled} and ${active} on the host, not enabled and active: see journalctl -u ${name} there`,
      )
    }
  }
}
