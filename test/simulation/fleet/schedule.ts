/** Virtual time: events in order, processes that can die or be paused, and clocks that every machine has for itself. */
import { nextTick } from 'node:process'
import type { Clock } from '../../../kube/clock.ts'

export type Random = () => number

/** The same seed gives the same numbers. */
export function generator(seed: number): Random {
  let state = (seed ^ 0x9e3779b9) >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296
  }
}

/** What runs on a machine. What is due while it is paused happens when it goes on; what is due after its death never does. */
export class Process {
  alive = true
  pausedUntilMs = 0
  readonly name: string

  constructor(name: string) {
    this.name = name
  }
}

interface Timer {
  atMs: number
  order: number
  readonly process: Process | undefined
  readonly fire: () => void
  isOver: boolean
}

export class Schedule {
  /** What a clock that is right shows at the start. */
  readonly epochMs: number
  nowMs = 1000
  /** Events that happened. */
  count = 0
  /** Set by whoever resumes code that waits: it must run before the next event. */
  isResumed = false
  readonly #heap: Timer[] = []
  #order = 0

  constructor(epochMs: number) {
    this.epochMs = epochMs
  }

  at(atMs: number, process: Process | undefined, fire: () => void): Timer {
    const timer = { atMs, order: this.#order++, process, fire, isOver: false }
    this.#push(timer)
    return timer
  }

  after(ms: number, process: Process | undefined, fire: () => void): Timer {
    return this.at(this.nowMs + ms, process, fire)
  }

  /** Runs what is due before `untilMs`. */
  async run(untilMs: number, isOver: () => boolean): Promise<void> {
    for (;;) {
      const next = this.#heap[0]
      if (!next || next.atMs > untilMs || isOver()) break
      this.#pop()
      this.#happen(next)
      if (!this.isResumed) continue
      this.isResumed = false
      // Once every promise that is settled has had its say. What waits for a real event loop does not belong in here.
      await new Promise<void>((resolve) => nextTick(resolve))
    }
    this.nowMs = Math.max(this.nowMs, Math.min(untilMs, this.#heap[0]?.atMs ?? untilMs))
  }

  #happen(timer: Timer): void {
    const { process } = timer
    if (timer.isOver || process?.alive === false) return
    if (process && process.pausedUntilMs > timer.atMs) {
      timer.atMs = process.pausedUntilMs
      this.#push(timer)
      return
    }
    this.nowMs = timer.atMs
    this.count++
    timer.fire()
  }

  resume(): void {
    this.isResumed = true
  }

  #push(timer: Timer): void {
    const heap = this.#heap
    let index = heap.push(timer) - 1
    while (index > 0) {
      const parent = (index - 1) >> 1
      if (!isBefore(timer, heap[parent]!)) break
      heap[index] = heap[parent]!
      index = parent
    }
    heap[index] = timer
  }

  #pop(): void {
    const heap = this.#heap
    const last = heap.pop()!
    if (heap.length === 0) return
    let index = 0
    for (;;) {
      let child = 2 * index + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++
      if (!isBefore(heap[child]!, last)) break
      heap[index] = heap[child]!
      index = child
    }
    heap[index] = last
  }
}

const isBefore = (a: Timer, b: Timer): boolean => a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order)

/** The clock of one machine. */
export interface MachineTime {
  /** How far its wall clock is off. */
  skewMs: number
  /** When it booted: where its monotonic clock starts. */
  bootedAtMs: number
}

export const trueTime = (schedule: Schedule): Date => new Date(schedule.epochMs + schedule.nowMs)

/** `shortestMs`: waits are at least so long; a machine that polls often is only slow to simulate. */
export function clockOf(schedule: Schedule, process: Process, time: MachineTime, shortestMs = 0): Clock {
  return {
    now: () => new Date(schedule.epochMs + schedule.nowMs + time.skewMs),
    monotonicMs: () => schedule.nowMs - time.bootedAtMs,
    sleep: (ms, signal) =>
      new Promise((resolve) => {
        if (signal?.aborted) return resolve()
        const timer = schedule.after(Math.max(shortestMs, Math.min(ms, 2 ** 40)), process, () => {
          signal?.removeEventListener('abort', end)
          schedule.resume()
          resolve()
        })
        const end = (): void => {
          timer.isOver = true
          resolve()
        }
        signal?.addEventListener('abort', end, { once: true })
      }),
  }
}
