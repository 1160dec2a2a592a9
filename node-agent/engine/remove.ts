/** Takes Drydock's own files off the host. */
import { readdir, rm, rmdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { engineSocket } from '../../crds/protocol.ts'
import type { Host } from '../host/host.ts'
import { programsFolder } from '../sources/folders.ts'
import { socketUnit, unitFolder, unitNames } from './units.ts'

const versionsFolder = '/opt/drydock'

/**
 * Units first, so that what a crash leaves is files that nothing starts. The program that runs is in memory; its socket
 * stays until the answer is told. Can be repeated.
 */
export async function removeDrydock(host: Host, stateFolder: string): Promise<void> {
  await host.run(['systemctl', 'disable', '--', socketUnit], { timeoutMs: 30_000 })
  for (const name of unitNames) await host.removeFile(join(unitFolder, name))
  await host.run(['systemctl', 'daemon-reload'], { timeoutMs: 30_000 })
  await rm(stateFolder, { recursive: true, force: true })
  await removeVersions()
}

/** A node that keeps what Drydock gave it runs programs from here: they were tidied before, and what is left stays. */
async function removeVersions(): Promise<void> {
  for (const name of await readdir(versionsFolder).catch(() => [])) {
    const path = join(versionsFolder, name)
    if (path !== programsFolder) await rm(path, { recursive: true, force: true })
  }
  // Fails where there is something left, or nothing at all.
  for (const folder of [programsFolder, versionsFolder]) await rmdir(folder).catch(() => {})
}

/** The last act: systemd would go on listening for an engine that is gone. It has forgotten to remove the socket with its unit's file. */
export async function closeSocket(host: Host): Promise<void> {
  await host.run(['systemctl', 'stop', '--no-block', '--', socketUnit], { timeoutMs: 30_000 })
  await rm(dirname(engineSocket), { recursive: true, force: true })
}
