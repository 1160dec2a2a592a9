import { readFile } from 'node:fs/promises'
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
  let current: { readAtMs: number; credentials: Promise<Credentials> } | undefined

  const read = async (former: Promise<Credentials> | undefined): Promise<Credentials> => {
    try {
      const [token, ca] = await Promise.all([readFile(tokenFile, 'utf8'), readFile(caFile, 'utf8')])
      return { tls: { ca }, headers: { authorization: `Bearer ${token.trim()}` } }
    } catch (error) {
      // The kubelet swaps the directory in one rename, but a file may be gone for other reasons: what we have
      // is likely to be valid still, and the API server decides.
      if (former) return former
      throw new Error(`cannot read the service account: ${(error as Error).message}; is the token volume mounted?`)
    }
  }

  return httpTransport({
    server: new URL(`https://${isIPv6(host) ? `[${host}]` : host}:${port}`),
    credentials: () => {
      if (!current || clock.monotonicMs() - current.readAtMs >= rereadAfterMs) {
        current = { readAtMs: clock.monotonicMs(), credentials: read(current?.credentials) }
        current.credentials.catch(() => {
          current = undefined
        })
      }
      return current.credentials
    },
  })
}
