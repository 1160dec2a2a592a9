/** The engine's socket: HTTP with JSON. docs/protocol.md has the requests. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { Clock } from '../../kube/clock.ts'
import { type NodeEngine, OldFence } from './engine.ts'
import { MalformedOrder, readOrder } from './order.ts'

/** An order is some 10 kB: the API takes no profile that would make a larger one. */
const maxBodyBytes = 1024 * 1024
const maxWaitSeconds = 300

export interface Served {
  readonly server: Server
  /** Whether anybody is connected. */
  readonly connected: () => boolean
  /** Whether the courier has been told that Drydock is off the node. */
  readonly removalTold: () => boolean
  /** When the last connection ended, on the monotonic clock. */
  readonly lastMs: () => number
}

export interface Serving {
  readonly engine: NodeEngine
  readonly clock: Clock
  /** Names this run of the engine: `seq` counts within it. */
  readonly run: string
}

export function serve(serving: Serving): Served {
  const { clock, engine } = serving
  let lastMs = clock.monotonicMs()
  let connections = 0
  let removalTold = false
  const server = createServer((request, response) => {
    // Nobody reads it, and the first one takes 4 MB (see rfc3339).
    response.sendDate = false
    engine.requested()
    response.once('finish', () => {
      removalTold ||= engine.removed
    })
    answer(serving, request, response).catch((error: Error) => {
      const status = statusOf(error)
      send(response, status, { message: error.message })
    })
  })
  server.on('connection', (socket) => {
    connections++
    socket.once('close', () => {
      connections--
      lastMs = clock.monotonicMs()
    })
  })
  return { server, connected: () => connections > 0, removalTold: () => removalTold, lastMs: () => lastMs }
}

function statusOf(error: Error): number {
  if (error instanceof MalformedOrder) return 400
  return error instanceof OldFence ? 409 : 500
}

function send(response: ServerResponse, status: number, body: object): void {
  if (response.writableEnded || response.destroyed) return
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}

async function answer(serving: Serving, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(request.url ?? '/', 'http://engine')
  const route = `${request.method} ${url.pathname}`
  if (route === 'GET /v1/state') {
    await untilNews(serving, url.searchParams, response)
    return send(response, 200, await state(serving))
  }
  if (route === 'PUT /v1/order') {
    serving.engine.put(readOrder(await bodyOf(request)))
    return send(response, 202, await state(serving))
  }
  send(response, 404, { message: `There is no ${route}: GET /v1/state and PUT /v1/order are served.` })
}

async function state({ engine, run }: Serving): Promise<object> {
  // Read before the status: a change in between is then told once more rather than never.
  const { seq } = engine
  return { run, seq, status: await engine.status() }
}

/** Waits as long as the caller knows everything, has time, and is there. */
async function untilNews(serving: Serving, query: URLSearchParams, response: ServerResponse): Promise<void> {
  const { clock, engine, run } = serving
  const seconds = Math.min(Number(query.get('waitSeconds') ?? 0) || 0, maxWaitSeconds)
  const gone = new AbortController()
  response.once('close', () => gone.abort())
  const over = clock.sleep(seconds * 1000, gone.signal).then(() => gone.abort())
  while (!gone.signal.aborted && query.get('run') === run && query.get('after') === String(engine.seq)) {
    await Promise.race([engine.changed, over])
  }
  gone.abort()
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length
    if (length > maxBodyBytes) throw new MalformedOrder(`The order is larger than ${maxBodyBytes} bytes.`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}
