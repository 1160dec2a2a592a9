/**
 * The part of AbortController that the product uses. The platform's own, with its events, its weak references and an
 * exception with each abort, takes a fourth of a simulation's time; what is simulated is not the platform.
 */
type Listener = () => void

class PlainSignal {
  aborted = false
  reason: unknown
  readonly #listeners = new Set<Listener>()

  static any(signals: readonly PlainSignal[]): PlainSignal {
    const any = new PlainSignal()
    for (const signal of signals) {
      if (signal.aborted) any.abort(signal.reason)
      else signal.addEventListener('abort', () => any.abort(signal.reason))
    }
    return any
  }

  addEventListener(_type: 'abort', listener: Listener): void {
    this.#listeners.add(listener)
  }

  removeEventListener(_type: 'abort', listener: Listener): void {
    this.#listeners.delete(listener)
  }

  throwIfAborted(): void {
    if (this.aborted) throw this.reason
  }

  abort(reason: unknown): void {
    if (this.aborted) return
    this.aborted = true
    this.reason = reason
    for (const listener of this.#listeners) listener()
    this.#listeners.clear()
  }
}

class PlainController {
  readonly signal = new PlainSignal()

  abort(reason: unknown = new Error('aborted')): void {
    this.signal.abort(reason)
  }
}

/** For the whole process: for those that do nothing but simulate. */
export function simplifyAborts(): void {
  Object.assign(globalThis, { AbortController: PlainController, AbortSignal: PlainSignal })
}
