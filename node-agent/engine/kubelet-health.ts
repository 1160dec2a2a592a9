/** What the kubelet says of itself on its own port. */
import { get } from 'node:http'
import type { Change } from '../journal/records.ts'

const timeoutMs = 1_000

/** False also when nothing answers. */
export function kubeletHealthy({ address, port }: NonNullable<Change['healthz']>): Promise<boolean> {
  return new Promise((resolve) => {
    const request = get({ host: address, port, path: '/healthz', agent: false, timeout: timeoutMs }, (response) => {
      response.resume()
      response.once('end', () => resolve(response.statusCode === 200))
      response.once('error', () => resolve(false))
    })
    request.once('timeout', () => request.destroy())
    request.once('error', () => resolve(false))
  })
}
