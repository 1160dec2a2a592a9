import type { Clock } from '../../kube/clock.ts'

interface Sleeper {
  readonly dueMs: number
  readonly host: Host
  readonly wake: () => void
}

/** A machine: its own wall clock, speed of time, and pauses in which nothing of it runs. */
export interface Host extends Clock {
  pause(): void
  resume(): void
  /** Resolves at once, or when the pause ends: what a process does after any answer from outside. */
  awake(): Promise<void>
}

/** Time that moves only when a test says so. */
export class VirtualTime {
  nowMs = Date.parse('2026-01-01T00:00:00Z')
  readonly #sleepers = new Set<Sleeper>()

  host({ wallOffsetMs = 0, rate = 1 }: { wallOffsetMs?: number; rate?: number } = {}): Host {
    const bootMs = this.nowMs
    const resumed = new Set<() => void>()
    let isPaused = false
    const host: Host = {
      now: () => new Date(this.nowMs + wallOffsetMs),
      monotonicMs: () => (this.nowMs - bootMs) * rate,
      sleep: (ms, signal) =>
        new Promise((resolve) => {
          if (signal?.aborted) return resolve()
          const wake = (): void => {
            this.#sleepers.delete(sleeper)
            signal?.removeEventListener('abort', wake)
            void host.awake().then(resolve)
          }
          const sleeper = { dueMs: this.nowMs + ms / rate, host, wake }
          this.#sleepers.add(sleeper)
          signal?.addEventListener('abort', wake)
        }),
      pause: () => {
        isPaused = true
      },
      resume: () => {
        isPaused = false
        for (const wake of resumed) wake()
        resumed.clear()
      },
      awake: async () => {
        while (isPaused) await new Promise<void>((resolve) => resumed.add(resolve))
      },
    }
    return host
  }

  get sleeping(): number {
    return this.#sleepers.size
  }

  /** Moves time, and lets everything that is due happen in its order. */
  async advance(ms: number): Promise<void> {
    const endMs = this.nowMs + ms
    await settle()
    for (;;) {
      const due = [...this.#sleepers].filter(({ dueMs }) => dueMs <= endMs).sort((a, b) => a.dueMs - b.dueMs)[0]
      if (!due) break
      this.nowMs = Math.max(this.nowMs, due.dueMs)
      due.wake()
      await settle()
    }
    this.nowMs = endMs
    await settle()
  }
}

/** Lets every promise that can settle do so, those behind a few turns of the event loop too. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 8; turn++) await nextTurn()
}

export async function nextTurn(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve))
}
