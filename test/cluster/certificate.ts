import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Cache } from './cache.ts'
import { hostAddress } from './network.ts'
import { must } from './process.ts'

export interface Certificate {
  /** PEM file; it is its own authority. */
  certificate: string
  key: string
}

const lifetimeDays = 3650

/** What the bridge's HTTPS server shows, for its address. */
export async function certificate(cache: Cache): Promise<Certificate> {
  const names = `subjectAltName=IP:${hostAddress},DNS:testbed`
  const folder = await cache.get({
    name: 'certificate',
    key: JSON.stringify([names, lifetimeDays]),
    build: async (target) => {
      const made = ['-keyout', join(target, 'key.pem'), '-out', join(target, 'certificate.pem')]
      const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-noenc', '-days', String(lifetimeDays)]
      await must(['openssl', 'req', '-x509', ...kind, '-subj', '/CN=testbed', '-addext', names, ...made])
    },
  })
  return { certificate: join(folder, 'certificate.pem'), key: join(folder, 'key.pem') }
}

/** Files by which a node comes to trust it, once `update-ca-certificates` has run there. */
export async function trusted({ certificate }: Certificate): Promise<Record<string, string>> {
  return { '/usr/local/share/ca-certificates/testbed.crt': await readFile(certificate, 'utf8') }
}
