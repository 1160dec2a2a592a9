/**
 * Runs before engines and kubelet of a boot start: a change that was not proven does not get to start anything. Starts and
 * stops no unit; the engine proves the former state once everything is up. Where engines were exchanged systemd has chosen
 * already what it starts in this boot: then the engine stops the one and starts the other.
 */
import type { Log } from '../../kube/log.ts'
import type { BootClock } from '../host/boot-clock.ts'
import type { Host } from '../host/host.ts'
import type { JournalRecord } from '../journal/records.ts'
import type { Store } from '../journal/store.ts'
import { disableAgain, enableAgain } from '../steps/enable-units.ts'
import { restoreFiles } from '../steps/write-files.ts'
import { replay, type Work } from './work.ts'

export interface Booting {
  readonly host: Host
  readonly store: Store
  readonly clock: BootClock
  readonly log: Log
}

/** The change that this boot must not start. */
async function unproven({ store, clock }: Booting): Promise<Work | undefined> {
  const work = replay(await store.records())
  const memory = await store.load()
  if (!work || work.id === memory?.closed || work.stage.name === 'proven') return undefined
  // Called by hand while the machine runs: the engine itself goes on, and units are up.
  return work.boot === clock.instant().boot ? undefined : work
}

/** Throws when a file could not be put back: the engine tries again, with the units it has to restart for it. */
export async function restoreAtBoot(booting: Booting): Promise<void> {
  const { store, clock, log } = booting
  const work = await unproven(booting)
  if (!work) return
  const note = (entry: JournalRecord): Promise<void> =>
    // Without the record the engine comes to the same by itself, or takes the longer way.
    store.append(entry).catch((error) => log.warn('a record could not be written', { error, type: entry.type }))
  const { stage } = work
  const why =
    stage.name === 'forward' || stage.name === 'proven'
      ? { reason: 'Rebooted', message: 'The node was rebooted before the change was proven.' }
      : stage.why
  await note({ type: 'back', at: clock.instant(), why })
  const withReserve = (act: () => Promise<void>): Promise<void> => store.withReserve(act)
  const { host } = booting
  const { change } = work
  // Where this fails the engine does it: what matters now are the files.
  const warn = (error: unknown): void => log.warn('units could not be restored', { error })
  await disableAgain({ host, change }).catch(warn)
  await restoreFiles({ host, blobs: store.blobs, withReserve, change })
  await enableAgain({ host, change }).catch(warn)
  await note({ type: 'restored', at: clock.instant() })
  log.info('former files are back', { files: change.files.map(({ path }) => path) })
}
