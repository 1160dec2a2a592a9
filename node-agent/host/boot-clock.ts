/**
 * Time as the journal needs it: a monotonic clock that all processes of one boot share, and the name of the boot.
 * Deadlines survive a crash of the engine by the first, and a reboot is told by the second. Wall time is for people.
 */
import { readFileSync } from 'node:fs'
import { type Clock, rfc3339, systemClock } from '../../kube/clock.ts'

/** One instant of one boot. */
export interface Instant {
  /** The kernel's boot id. */
  readonly boot: string
  /** CLOCK_MONOTONIC in whole milliseconds: comparable between processes, only within one boot. */
  readonly monotonicMs: number
  /** RFC 3339, for people. */
  readonly wall: string
}

export interface BootClock extends Clock {
  instant(): Instant
}

export function bootClock(): BootClock {
  const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
  const monotonicMs = (): number => Number(process.hrtime.bigint() / 1_000_000n)
  return {
    ...systemClock,
    monotonicMs,
    instant: () => ({ boot, monotonicMs: monotonicMs(), wall: rfc3339(systemClock.now()) }),
  }
}
