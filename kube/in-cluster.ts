import { readFileSync } from 'node:fs'
import { isIPv6 } from 'node:net'
import type { Clock } from './clock.ts'
import { systemClock } from './clock.ts'
import { type Credentials, httpTransport } from './http-transport.ts'
import type { Transport } from './transport.ts'

export interface InClusterOptions {
  /** Of the API server; an IPv6 address without brackets. */
  readonly host: string
  readonly port: number
  /** Bound service account token. The kubelet replaces it at 80% of its life, an hour or less. */
  readonly tokenFile: string
  readonly caFile: string
  readonly clock?: Clock
}

const rereadAfterMs = 60_000

/** Transport of a pod. Token and CA are read again each minute, so that their rotation needs no restart. */
export function inClusterTransport(options: InClusterOptions): Transport {
  const { host, port, tokenFile, caFile, clock = systemClock } = options
  let current: { readAtMs: number; credentials: Credentials } | undefined

  const read = (): Credentials => {
    // Synchronous, because both are small files in memory, and a process without a thread pool is smaller.
    try {
      const token = readFileSync(tokenFile, 'utf8').trim()
      return { tls: { ca: readFileSync(caFile, 'utf8') }, headers: { authorization: `Bearer ${token}` } }
    } catch (error) {
      // What was read before is likely to be valid still, and the API server decides.
      if (current) return current.credentials
      throw new Error(`cannot read the service account: ${(error as Error).message}; is the token volume mounted?`)
    }
  }

  return httpTransport({
    server: new URL(`https://${isIPv6(host) ? `[${host}]` : host}:${port}`),
    credentials: async () => {
      if (!current || clock.monotonicMs() - current.readAtMs >= rereadAfterMs) {
        current = { readAtMs: clock.monotonicMs(), credentials: read() }
      }
      return current.credentials
    },
  })
}
