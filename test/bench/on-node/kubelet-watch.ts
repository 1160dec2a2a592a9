/** Asks the kubelet for its health every 10 ms until SIGTERM; then prints `{downMs: [...]}`, one for each time without it. */
import { get } from 'node:http'

const everyMs = 10
const downMs: number[] = []
let lastHealthy: number | undefined
let isDown = false

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
  if (isHealthy) lastHealthy = now
  isDown = !isHealthy
  setTimeout(() => void look(), everyMs)
}

process.on('SIGTERM', () => {
  process.stdout.write(JSON.stringify({ downMs }))
  process.exit()
})
void look()
