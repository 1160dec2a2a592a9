export type Log = (line: string) => void

/**
 * Says what is being waited for: a line when a step starts to take long, one every ten seconds, one at its end.
 * Steps may run side by side; each line carries the seconds since the start.
 */
export class Progress {
  readonly #log: Log
  readonly #started = Date.now()
  constructor(log: Log) {
    this.#log = log
  }

  say(line: string): void {
    this.#log(`${seconds(Date.now() - this.#started).padStart(6)}  ${line}`)
  }

  async step<T>(what: string, work: (detail: Log) => Promise<T>): Promise<T> {
    const began = Date.now()
    let detail = ''
    this.say(`${what} ...`)
    const timer = setInterval(() => {
      this.say(`${what}: still waiting after ${seconds(Date.now() - began)}${detail ? ` (${detail})` : ''}`)
    }, 10_000)
    try {
      const result = await work((line) => {
        detail = line.trim().slice(0, 100) || detail
      })
      this.say(`${what}: done in ${seconds(Date.now() - began)}`)
      return result
    } catch (error) {
      this.say(`${what}: failed after ${seconds(Date.now() - began)}`)
      throw error
    } finally {
      clearInterval(timer)
    }
  }
}

/** Resolves when `ready` says undefined; `ready` says what is still missing otherwise. Throws after `timeout` milliseconds. */
export async function waitFor(
  what: string,
  ready: () => Promise<string | undefined>,
  { timeout, every = 250 }: { timeout: number; every?: number },
): Promise<void> {
  const deadline = Date.now() + timeout
  for (;;) {
    const missing = await ready()
    if (missing === undefined) return
    if (Date.now() > deadline) throw new Error(`${what} did not come within ${seconds(timeout)}: ${missing}`)
    await new Promise((resolve) => setTimeout(resolve, every))
  }
}

function seconds(milliseconds: number): string {
  return `${(milliseconds / 1000).toFixed(1)}s`
}
