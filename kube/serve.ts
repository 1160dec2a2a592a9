import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** Undefined while all is well, else a sentence that says what is not. */
export type Check = () => string | undefined

export interface ServeOptions {
  /** 0: any free port. */
  readonly port: number
  readonly host?: string
  /** By name. When one fails the process should be restarted. */
  readonly healthy: Readonly<Record<string, Check>>
  /** By name. While one fails the process should get no traffic. */
  readonly ready: Readonly<Record<string, Check>>
  readonly metrics: { readonly contentType: string; render(): Promise<string> }
}

export interface Serving {
  readonly port: number
  close(): Promise<void>
}

/** Serves /healthz, /readyz and /metrics over plain HTTP. Rejects when the port cannot be opened. */
export async function serve({ port, host = '::', healthy, ready, metrics }: ServeOptions): Promise<Serving> {
  const routes: Record<string, (response: ServerResponse) => void | Promise<void>> = {
    '/healthz': (response) => answerChecks(response, healthy),
    '/readyz': (response) => answerChecks(response, ready),
    '/metrics': async (response) => {
      const text = await metrics.render()
      response.writeHead(200, { 'content-type': metrics.contentType }).end(text)
    },
  }
  const server = createServer((request, response) => {
    const route = routes[new URL(request.url ?? '/', 'http://localhost').pathname]
    if (!route) {
      response.writeHead(404).end('not found\n')
      return
    }
    Promise.resolve(route(response)).catch((error: Error) => response.writeHead(500).end(`${error.message}\n`))
  })
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  server.once('error', reject).listen(port, host, resolve)
  await promise
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((done) => {
        server.close(() => done())
        server.closeAllConnections()
      }),
  }
}

function answerChecks(response: ServerResponse, checks: Readonly<Record<string, Check>>): void {
  const failures = Object.entries(checks).flatMap(([name, check]) => {
    const why = check()
    return why === undefined ? [] : [`${name}: ${why}`]
  })
  response.writeHead(failures.length === 0 ? 200 : 503, { 'content-type': 'text/plain; charset=utf-8' })
  response.end(`${failures.length === 0 ? 'ok' : failures.join('\n')}\n`)
}
