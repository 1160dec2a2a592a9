/**
 * `api-watch URL CA`: asks an API server whether it is ready every 100 ms until SIGTERM; then prints `{longestMs, asked,
 * unanswered}`, the longest time between two answers that say yes. Its first line says that it has begun.
 */
import { readFileSync } from 'node:fs'
import { get } from 'node:https'

export interface Answers {
  readonly longestMs: number
  readonly asked: number
  readonly unanswered: number
}

export const everyMs = 100
export const begun = 'watching\n'

function watch(url: string, ca: Buffer): void {
  let [longestMs, asked, unanswered] = [0, 0, 0]
  let lastReady: number | undefined

  const isReady = (): Promise<boolean> =>
    new Promise((resolve) => {
      const request = get(url, { ca, agent: false, timeout: 2_000 }, (response) => {
        response.resume()
        response.on('end', () => resolve(response.statusCode === 200))
      })
      request.on('timeout', () => request.destroy())
      request.on('error', () => resolve(false))
    })

  const ask = async () => {
    asked++
    const ready = await isReady()
    const now = performance.now()
    if (!ready) unanswered++
    if (ready && lastReady === undefined) process.stdout.write(begun)
    if (ready) {
      longestMs = Math.max(longestMs, now - (lastReady ?? now))
      lastReady = now
    }
  }

  setInterval(() => void ask(), everyMs)
  process.on('SIGTERM', () => {
    // A gap that has not ended yet counts, too.
    longestMs = Math.max(longestMs, performance.now() - (lastReady ?? 0))
    process.stdout.write(JSON.stringify({ longestMs, asked, unanswered } satisfies Answers), () => process.exit())
  })
}

const [url, ca] = process.argv.slice(2)
if (import.meta.main && url && ca) watch(url, readFileSync(ca))
