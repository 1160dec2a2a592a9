import { once } from 'node:events'
import http from 'node:http'
import https from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import type { KubeObject } from '../../kube/resource.ts'

export interface Change {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED'
  readonly object: KubeObject
}

/** Answers the request itself (true), or leaves it to the server (false). */
export type Fault = (request: http.IncomingMessage, response: http.ServerResponse) => boolean

export interface Recorded {
  readonly method: string
  readonly url: URL
  readonly headers: http.IncomingHttpHeaders
  readonly body: unknown
}

/**
 * The list and watch protocol of one collection, over a real socket, with the faults that a test puts in. It
 * knows no schema and no admission: what depends on those is tried against a real API server.
 */
export class ApiServer {
  readonly requests: Recorded[] = []
  /** Tried in order for each request; the first that answers is used up. */
  readonly faults: Fault[] = []
  connections = 0
  readonly #server: http.Server | https.Server
  readonly #sockets = new Set<Socket>()
  readonly #objects = new Map<string, KubeObject>()
  readonly #history: Change[] = []
  readonly #watches = new Set<http.ServerResponse>()
  #version = 100
  #oldest = 0

  constructor(tls?: { key: string; cert: string }) {
    const handler = (request: http.IncomingMessage, response: http.ServerResponse): void => {
      void this.#handle(request, response)
    }
    this.#server = tls ? https.createServer(tls, handler) : http.createServer(handler)
    this.#server.on(tls ? 'secureConnection' : 'connection', (socket: Socket) => {
      this.connections++
      this.#sockets.add(socket)
      socket.on('close', () => this.#sockets.delete(socket))
      socket.on('error', () => {})
    })
  }

  async listen(): Promise<number> {
    this.#server.listen(0, '127.0.0.1')
    await once(this.#server, 'listening')
    return (this.#server.address() as AddressInfo).port
  }

  async close(): Promise<void> {
    this.#server.close()
    this.#server.closeAllConnections()
    await once(this.#server, 'close')
  }

  get openWatches(): number {
    return this.#watches.size
  }

  get objects(): readonly KubeObject[] {
    return [...this.#objects.values()]
  }

  count(match: (request: Recorded) => boolean): number {
    return this.requests.filter(match).length
  }

  put(name: string, labels: Record<string, string> = {}): void {
    const type = this.#objects.has(name) ? 'MODIFIED' : 'ADDED'
    const metadata = { name, labels, resourceVersion: String(++this.#version), managedFields: [{}] }
    this.#publish({ type, object: { kind: 'Node', apiVersion: 'v1', metadata } })
  }

  remove(name: string): void {
    const object = structuredClone(this.#objects.get(name)!)
    object.metadata.resourceVersion = String(++this.#version)
    this.#publish({ type: 'DELETED', object })
  }

  bookmark(): void {
    for (const watch of this.#watches) this.#send(watch, this.#bookmarkEvent())
  }

  /** Forgets the history: a watch from before is answered with 410. */
  compact(): void {
    this.#oldest = this.#version
    this.#history.length = 0
  }

  /** Writes raw bytes into each open watch. */
  write(bytes: string): void {
    for (const watch of this.#watches) watch.write(bytes)
  }

  endWatches(): void {
    for (const watch of this.#watches) watch.end()
    this.#watches.clear()
  }

  resetConnections(): void {
    for (const socket of this.#sockets) {
      const raw = (socket as Socket & { _parent?: Socket })._parent ?? socket
      raw.resetAndDestroy()
    }
  }

  #publish(change: Change): void {
    const name = change.object.metadata.name!
    if (change.type === 'DELETED') this.#objects.delete(name)
    else this.#objects.set(name, change.object)
    this.#history.push(change)
    for (const watch of this.#watches) this.#send(watch, change)
  }

  #bookmarkEvent(): object {
    return { type: 'BOOKMARK', object: { kind: 'Node', metadata: { resourceVersion: String(this.#version) } } }
  }

  #send(watch: http.ServerResponse, event: object): void {
    watch.write(`${JSON.stringify(event)}\n`)
  }

  async #handle(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const text = Buffer.concat(chunks).toString()
    const url = new URL(request.url ?? '/', 'http://server')
    const body: unknown = text === '' ? undefined : JSON.parse(text)
    this.requests.push({ method: request.method ?? '', url, headers: request.headers, body })
    for (const fault of this.faults) {
      if (!fault(request, response)) continue
      this.faults.splice(this.faults.indexOf(fault), 1)
      return
    }
    if (url.searchParams.get('watch')) this.#watch(url, response)
    else this.#list(url, response)
  }

  #list(url: URL, response: http.ServerResponse): void {
    const limit = Number(url.searchParams.get('limit') ?? 500)
    const from = Number(url.searchParams.get('continue') ?? 0)
    const all = this.objects
    const items = all.slice(from, from + limit).map(({ metadata }) => ({ metadata }))
    const next = from + limit < all.length ? { continue: String(from + limit) } : {}
    answer(response, 200, { kind: 'NodeList', metadata: { resourceVersion: String(this.#version), ...next }, items })
  }

  #watch(url: URL, response: http.ServerResponse): void {
    const from = Number(url.searchParams.get('resourceVersion'))
    if (from < this.#oldest) {
      answer(response, 410, status(410, 'Expired', `too old resource version: ${from} (${this.#oldest})`))
      return
    }
    response.writeHead(200, { 'content-type': 'application/json' })
    response.flushHeaders()
    this.#watches.add(response)
    response.on('close', () => this.#watches.delete(response))
    for (const change of this.#history) {
      if (Number(change.object.metadata.resourceVersion) > from) this.#send(response, change)
    }
  }
}

export function status(code: number, reason: string, message: string, details: object = {}): object {
  return { kind: 'Status', apiVersion: 'v1', status: 'Failure', code, reason, message, details }
}

export function answer(
  response: http.ServerResponse,
  code: number,
  body: object,
  headers: Record<string, string> = {},
): void {
  response.writeHead(code, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body))
}

/** Answers the next request of a kind: `list`, `watch`, or any. */
export function failNext(kind: 'list' | 'watch' | 'any', reply: (response: http.ServerResponse) => void): Fault {
  return (request, response) => {
    const isWatch = request.url?.includes('watch=1') === true
    if (kind !== 'any' && isWatch !== (kind === 'watch')) return false
    reply(response)
    return true
  }
}
