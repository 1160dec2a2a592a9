/** Whether a person may change this machine by hand. */
import { join } from 'node:path/posix'
import { unitFolder, unitNames } from '../engine/units.ts'
import type { Disk } from '../host/disk.ts'

/** Whether the agent of a cluster has its engine here. */
export async function isOwned(disk: Pick<Disk, 'read'>): Promise<boolean> {
  const units = await Promise.all(unitNames.map((name) => disk.read(join(unitFolder, name))))
  return units.some((unit) => unit !== undefined)
}

/** Throws a sentence that says what to do instead. */
export async function checkPerson(
  disk: Pick<Disk, 'read'>,
  uid: number | undefined = process.getuid?.(),
): Promise<void> {
  if (uid !== 0) throw new Error('this changes the machine that it runs on: run it as root, there')
  if ((await disk.read('/proc/1/comm'))?.toString().trim() !== 'systemd') {
    throw new Error('systemd does not run this machine: Drydock changes engines that are units of systemd')
  }
  if (await isOwned(disk)) {
    throw new Error(
      'the agent of a cluster keeps this machine (drydock-engine.service is on it): change the RuntimeProfile instead',
    )
  }
}
