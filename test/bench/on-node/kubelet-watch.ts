/** Asks the kubelet for its health every 10 ms until SIGTERM; then prints `{downMs: [...]}`, one for each time without it. */
import { get } from 'node:http'
import { watching } from './watching.ts'

const everyMs = 10
const downMs: number[] = []
let lastHealthy: number | undefined
let isDown = false
let isOver = false

const healthy = (): Promise<boolean> =>
  new Promise((resolve) => {
    const request = get(
      { host: '127.0.0.1', port: 10248, path: '/healthz', agent: false, timeout: 1000 },
      (response) => {
        response.resume()
        response.on('end', () => resolve(response.statusCode === 200))
      },
    )
    request.on('timeout', () => request.destroy())
    request.on('error', () => resolve(false))
  })

async function look(): Promise<void> {
  const isHealthy = await healthy()
  const now = performance.now()
  if (isHealthy && isDown && lastHealthy !== undefined) downMs.push(now - lastHealthy)
  if (isHealthy && lastHealthy === undefined) process.stdout.write(watching)
  if (isHealthy) lastHealthy = now
  isDown = !isHealthy
  if (!isOver || isDown) setTimeout(() => void look(), everyMs)
  else process.stdout.write(JSON.stringify({ downMs }))
}

// Whoever made the change may have seen the kubelet a moment earlier: its return is waited for.
process.on('SIGTERM', () => {
  isOver = true
})
void look()
