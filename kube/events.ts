import type { KubeClient } from './client.ts'
import type { Clock } from './clock.ts'
import { microTime } from './clock.ts'
import { type Log, silentLog } from './log.ts'
import { Events, type KubeObject } from './resource.ts'

/** What an event is about. */
export interface ObjectReference {
  readonly apiVersion: string
  readonly kind: string
  readonly name: string
  readonly namespace?: string
  readonly uid?: string
}

export interface EventRecorderOptions {
  readonly client: Pick<KubeClient, 'create' | 'patch'>
  /** Name of the controller, as `example.com/operator`. */
  readonly controller: string
  /** Which process of it: the pod's name. */
  readonly instance: string
  /** Where events about cluster-scoped objects go; the API server accepts `default` and `kube-system`. */
  readonly namespace: string
  readonly clock: Clock
  readonly log?: Log
}

interface Series {
  count: number
  lastMs: number
  /** Settles when all writes so far have; undefined when the event could not be created. */
  written: Promise<KubeObject | undefined>
}

const seriesMs = 10 * 60_000
const longestNote = 1024
/** Events that repeat are few. More than this means that notes carry something that varies. */
const mostSeries = 1024

/**
 * Writes Events for people to read. Never throws and never waits: an event that cannot be written is logged.
 * The same event again within 10 minutes becomes a series, whose count is written each time it doubles.
 */
export class EventRecorder {
  readonly #options: EventRecorderOptions
  readonly #log: Log
  readonly #series = new Map<string, Series>()

  constructor(options: EventRecorderOptions) {
    this.#options = options
    this.#log = options.log ?? silentLog
  }

  /**
   * `reason` and `action` are CamelCase words: why, and what was done. `note` is a sentence; it is cut at 1024 bytes.
   */
  // biome-ignore lint/complexity/useMaxParams: the order of every event recorder
  record(regarding: ObjectReference, type: 'Normal' | 'Warning', reason: string, note: string, action: string): void {
    const nowMs = this.#options.clock.monotonicMs()
    this.#forgetBefore(nowMs - seriesMs)
    const fields = { type, reason, note: shorten(note), action, regarding }
    const key = JSON.stringify(fields)
    const known = this.#series.get(key)
    // Set anew, so that the map stays in order of the last occurrence.
    this.#series.delete(key)
    if (!known) {
      this.#series.set(key, { count: 1, lastMs: nowMs, written: this.#create(fields) })
      return
    }
    known.count++
    known.lastMs = nowMs
    this.#series.set(key, known)
    if (Number.isInteger(Math.log2(known.count))) known.written = this.#extend(known.written, known.count)
  }

  /** Waits until everything recorded so far has been written, or could not be. */
  async flush(): Promise<void> {
    await Promise.all([...this.#series.values()].map(({ written }) => written))
  }

  async #create(fields: { readonly regarding: ObjectReference }): Promise<KubeObject | undefined> {
    const { client, clock, controller, instance } = this.#options
    const { regarding } = fields
    const event = {
      metadata: { generateName: `${regarding.name}-`, namespace: regarding.namespace ?? this.#options.namespace },
      eventTime: microTime(clock.now()),
      reportingController: controller,
      reportingInstance: instance,
      ...fields,
    }
    try {
      return await client.create<KubeObject>(Events, event)
    } catch (error) {
      this.#log.warn('event was not written', { error, ...fields })
      return undefined
    }
  }

  async #extend(written: Promise<KubeObject | undefined>, count: number): Promise<KubeObject | undefined> {
    const { client, clock } = this.#options
    const series = { count, lastObservedTime: microTime(clock.now()) }
    const event = await written
    const { name, namespace } = event?.metadata ?? {}
    if (name === undefined || namespace === undefined) return event
    try {
      await client.patch(Events, { name, namespace }, { series }, { kind: 'merge' })
    } catch (error) {
      this.#log.warn('event series was not written', { error, name })
    }
    return event
  }

  #forgetBefore(oldestMs: number): void {
    for (const [key, { lastMs }] of this.#series) {
      if (lastMs >= oldestMs && this.#series.size < mostSeries) return
      this.#series.delete(key)
    }
  }
}

/** Cut between characters, at the bytes that the API server accepts. */
function shorten(note: string): string {
  if (Buffer.byteLength(note) <= longestNote) return note
  const bytes = Buffer.from(note).subarray(0, longestNote - 3)
  return `${new TextDecoder().decode(bytes).replace(/\uFFFD$/, '')}…`
}
