/** One file over https: streamed to the disk, its checksum taken on the way. */
import { createHash } from 'node:crypto'
import { type FileHandle, open, readFile, statfs, unlink } from 'node:fs/promises'
import type { IncomingMessage } from 'node:http'
import { get } from 'node:https'
import { dirname } from 'node:path'
import { rootCertificates } from 'node:tls'
import { isMissing, writeError } from './errors.ts'
import type { Download } from './staging.ts'

const redirectLimit = 5
/** Without a byte for so long a mirror counts as dead. */
const silenceMs = 30_000
const totalMs = 15 * 60_000
/** An archive of an engine is 40 to 100 MB; what is ten times that is none. */
const sizeLimit = 1024 ** 3
/** How often the free space is looked at. */
const checkBytes = 16 * 1024 ** 2
/** How often the pieces that were written are let go of: left to itself V8 keeps 10 MB of them. */
const collectBytes = 256 * 1024

/**
 * The CA certificates that the host's administrators trust: company mirrors have a CA of their own, which Node does not
 * know. One of these files is on every distribution; Node's own search of the system's certificates finds the same ones
 * and takes 4 MB more.
 */
const bundles = ['/etc/ssl/certs/ca-certificates.crt', '/etc/pki/tls/certs/ca-bundle.crt', '/etc/ssl/ca-bundle.pem']

export interface Trust {
  /** Files with CA certificates; the first that is there counts. None is: those that Node brings. */
  readonly bundles: readonly string[]
  readonly silenceMs: number
}

export async function download(wanted: Download, trust: Trust = { bundles, silenceMs }): Promise<string> {
  const ca = await certificates(trust.bundles)
  const signal = AbortSignal.timeout(totalMs)
  const options = { agent: false, signal, timeout: trust.silenceMs, ca } as const
  const response = await requested(wanted.url, options)
  try {
    return await saved(response, wanted)
  } catch (error) {
    response.destroy()
    await unlink(wanted.path).catch(() => {})
    throw error
  }
}

type Options = Parameters<typeof get>[1]

async function certificates(paths: readonly string[]): Promise<string | string[]> {
  for (const path of paths) {
    try {
      return await readFile(path, 'utf8')
    } catch (error) {
      if (!isMissing(error)) throw error
    }
  }
  // Named, because the engine's Node is told not to read them by itself.
  return [...rootCertificates]
}

/** Follows redirects, from https to https only. */
async function requested(url: string, options: Options): Promise<IncomingMessage> {
  let at = new URL(url)
  for (let redirects = 0; redirects <= redirectLimit; redirects++) {
    if (at.protocol !== 'https:') throw new Error(`${url} leads to ${at.href}, which is not https.`)
    const response = await answered(at, options)
    const { statusCode = 0, headers } = response
    if (statusCode === 200) return response
    response.destroy()
    if (statusCode < 300 || statusCode > 399 || headers.location === undefined) {
      throw new Error(`${at.href} answers with status ${statusCode}.`)
    }
    at = new URL(headers.location, at)
  }
  throw new Error(`${url} redirects more than ${redirectLimit} times.`)
}

function answered(url: URL, options: Options): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    let heard: IncomingMessage | undefined
    const request = get(url, options, (response) => {
      heard = response
      resolve(response)
    })
    request.once('timeout', () => (heard ?? request).destroy(new Error('it is silent for too long')))
    request.on('error', (cause) => {
      // What follows the first part of it is advice about the command line of Node.
      const [what] = cause.message.split(';')
      reject(new Error(`${url.href} cannot be fetched: ${what}.`, { cause }))
    })
  })
}

async function saved(response: IncomingMessage, { path, reserveBytes, url }: Download): Promise<string> {
  const length = Number(response.headers['content-length'] ?? 0)
  if (length > sizeLimit) throw new Error(`${url} is larger than ${sizeLimit} bytes.`)
  await leaveFree(path, length + reserveBytes)
  const file = await open(path, 'wx', 0o600)
  try {
    return await written(response, file, { path, reserveBytes, url })
  } catch (error) {
    throw writeError(error, path)
  } finally {
    await file.close()
  }
}

async function written(
  response: IncomingMessage,
  file: FileHandle,
  { path, reserveBytes, url }: Download,
): Promise<string> {
  const hash = createHash('sha256')
  let bytes = 0
  for await (const chunk of chunksOf(response, url)) {
    const before = bytes
    bytes += chunk.length
    const passes = (step: number): boolean => Math.floor(bytes / step) > Math.floor(before / step)
    if (bytes > sizeLimit) throw new Error(`${url} is larger than ${sizeLimit} bytes.`)
    if (passes(checkBytes)) await leaveFree(path, reserveBytes)
    // Only there where Node was started with --expose-gc, as the engine's unit does.
    if (passes(collectBytes)) void globalThis.gc?.({ type: 'minor' })
    hash.update(chunk)
    await file.writeFile(chunk)
  }
  return hash.digest('hex')
}

/** A connection that breaks before the announced length is an error of its own: the checksum would only say "different". */
async function* chunksOf(response: IncomingMessage, url: string): AsyncGenerator<Buffer> {
  try {
    for await (const chunk of response) yield chunk as Buffer
  } catch (cause) {
    throw new Error(`${url} broke off: ${(cause as Error).message}.`, { cause })
  }
}

async function leaveFree(path: string, bytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(dirname(path))
  if (bavail * bsize >= bytes) return
  throw writeError(Object.assign(new Error(`${bavail * bsize} bytes are free`), { code: 'ENOSPC' }), path)
}
