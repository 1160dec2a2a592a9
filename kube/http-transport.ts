import http from 'node:http'
import https from 'node:https'
import { ConnectionError, KubeError } from './errors.ts'
import { splitLines } from './lines.ts'
import type { StreamRequest, Transport, TransportRequest, TransportResponse } from './transport.ts'

/** What proves who we are and who they are. */
export interface Credentials {
  readonly tls: Pick<https.AgentOptions, 'ca' | 'cert' | 'key' | 'servername' | 'rejectUnauthorized'>
  readonly headers: Readonly<Record<string, string>>
}

export interface HttpTransportOptions {
  /** `https://host:port`, or `http://` towards a local proxy. A path in it is kept as a prefix. */
  readonly server: URL
  /** Asked before each request: cheap, and fresh when a token or certificate has been rotated. */
  readonly credentials: () => Promise<Credentials>
}

interface Pools {
  readonly tls: string
  readonly requests: http.Agent
  readonly streams: http.Agent
}

interface Exchange {
  readonly request: Pick<TransportRequest, 'path' | 'query' | 'headers'>
  readonly method: string
  readonly payload: string | undefined
  readonly signal: AbortSignal | undefined
  readonly agent: http.Agent
  readonly authorization: Readonly<Record<string, string>>
}

/** Requests in flight at once; the rest wait. Streams are not counted: they would starve the requests. */
const maxConnections = 16
/** Below the API server's own 90 s, so that we rarely write into a connection which it is closing. */
const idleConnectionMs = 60_000
/** With the kernel's 10 probes a second apart, a peer that vanished is found in 25 s. */
const keepAliveProbeAfterMs = 15_000
/** The API server sends the header of a watch at once, however quiet the resource is. */
const streamHeaderTimeoutMs = 30_000

/** Transport over node:http(s), HTTP/1.1, with kept-alive connections. */
export function httpTransport({ server, credentials }: HttpTransportOptions): Transport {
  let pools: Pools | undefined

  const connect = async (): Promise<{ pools: Pools; authorization: Credentials['headers'] }> => {
    const { tls, headers } = await credentials()
    const fingerprint = JSON.stringify(tls)
    // The former pools are only let go of: requests in flight end undisturbed, idle connections time out.
    if (pools?.tls !== fingerprint) pools = createPools(server, tls, fingerprint)
    return { pools, authorization: headers }
  }

  return {
    async request(request) {
      const { pools, authorization } = await connect()
      const payload = request.body === undefined ? undefined : JSON.stringify(request.body)
      const { method, signal } = request
      const exchange = start(server, { request, method, payload, signal, agent: pools.requests, authorization })
      const timer = exchange.expireAfter(request.timeoutMs, `no complete answer within ${request.timeoutMs} ms`)
      try {
        return await readAnswer(await exchange.response)
      } catch (error) {
        throw exchange.explain(error)
      } finally {
        clearTimeout(timer)
      }
    },
    async *stream(request) {
      if (request.signal.aborted) return
      const { pools, authorization } = await connect()
      const { signal } = request
      const exchange = start(server, {
        request,
        method: 'GET',
        payload: undefined,
        signal,
        agent: pools.streams,
        authorization,
      })
      try {
        yield* readLines(exchange, request)
      } catch (error) {
        if (signal.aborted) return
        throw exchange.explain(error)
      } finally {
        exchange.abandon()
      }
    },
    close() {
      pools?.requests.destroy()
      pools?.streams.destroy()
      pools = undefined
    },
  }
}

type Started = ReturnType<typeof start>

/** Sends the request. What is given back tells all failures of one exchange apart. */
function start(server: URL, { request, method, payload, signal, agent, authorization }: Exchange) {
  const where = `${method} ${request.path}`
  const url = new URL(server.href)
  url.pathname = `${server.pathname.replace(/\/$/, '')}${request.path}`
  url.search = new URLSearchParams(request.query).toString()
  const headers: Record<string, string | number> = { accept: 'application/json', ...authorization, ...request.headers }
  if (payload !== undefined) {
    headers['content-type'] ??= 'application/json'
    headers['content-length'] = Buffer.byteLength(payload)
  }
  const { request: send } = server.protocol === 'http:' ? http : https
  const outgoing = send(url, { method, headers, agent, ...(signal && { signal }) })
  outgoing.on('socket', (socket) => socket.setKeepAlive(true, keepAliveProbeAfterMs))
  const response = new Promise<http.IncomingMessage>((resolve, reject) => {
    outgoing.on('response', resolve)
    // Stays attached: an error after the answer began reaches its reader, and must not be thrown here again.
    outgoing.on('error', reject)
  })
  outgoing.end(payload)

  return {
    where,
    response,
    abandon: () => outgoing.destroy(),
    expireAfter: (ms: number, why: string) =>
      setTimeout(() => outgoing.destroy(new ConnectionError(`${where}: ${server.host} gave ${why}`)), ms),
    explain: (error: unknown): unknown => {
      if (signal?.aborted) return signal.reason
      if (error instanceof ConnectionError || error instanceof KubeError || error instanceof SyntaxError) return error
      const cause = error as NodeJS.ErrnoException
      return new ConnectionError(`${where}: connection to ${server.host} failed: ${cause.message || cause.code}`, {
        cause,
      })
    },
  }
}

async function* readLines(exchange: Started, { idleTimeoutMs }: StreamRequest): AsyncGenerator<string> {
  const why = (ms: number): string => `no data for ${ms} ms`
  const headerTimeoutMs = Math.min(idleTimeoutMs, streamHeaderTimeoutMs)
  let timer = exchange.expireAfter(headerTimeoutMs, why(headerTimeoutMs))
  try {
    const response = await exchange.response
    if (response.statusCode !== 200) {
      const { status, headers, body } = await readAnswer(response)
      throw new KubeError(exchange.where, { status, body, retryAfter: headers['retry-after'] })
    }
    const rearm = (): void => {
      clearTimeout(timer)
      timer = exchange.expireAfter(idleTimeoutMs, why(idleTimeoutMs))
    }
    rearm()
    yield* splitLines(response, rearm)
  } finally {
    clearTimeout(timer)
  }
}

async function readAnswer(response: http.IncomingMessage): Promise<TransportResponse> {
  const chunks: Buffer[] = []
  for await (const chunk of response) chunks.push(chunk as Buffer)
  const text = Buffer.concat(chunks).toString('utf8')
  const isJson = response.headers['content-type']?.startsWith('application/json') === true
  return {
    status: response.statusCode ?? 0,
    headers: response.headers as Record<string, string>,
    body: isJson ? JSON.parse(text) : text,
  }
}

function createPools(server: URL, tls: Credentials['tls'], fingerprint: string): Pools {
  const options = { keepAlive: true, timeout: idleConnectionMs, ...tls }
  const create = (maxSockets: number): http.Agent =>
    server.protocol === 'http:'
      ? new http.Agent({ ...options, maxSockets })
      : new https.Agent({ ...options, maxSockets })
  return { tls: fingerprint, requests: create(maxConnections), streams: create(Number.POSITIVE_INFINITY) }
}
