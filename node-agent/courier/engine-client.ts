/** The node engine behind its socket. Every call is a connection of its own: an open one would keep the engine awake. */
import { request } from 'node:http'
import type { NodeRuntimeSpec, NodeRuntimeStatus } from '../../crds/types.gen.ts'

/** What the engine says of itself. A larger `seq` of the same `run` is newer. */
export interface EngineState {
  readonly run: string
  readonly seq: number
  readonly status: NodeRuntimeStatus
}

export type Order = NodeRuntimeSpec & {
  readonly image: string
  readonly generation: number
  /** The machine that gave the answer which the order follows from. */
  readonly machineID?: string
}

/** The engine understood and said no: asking again with the same order is of no use. */
export class OrderRefused extends Error {
  override readonly name = 'OrderRefused'
}

export interface Engine {
  /** With `after`, the answer comes as soon as it is another, or after `waitSeconds`. Throws when the engine does not answer. */
  state(after?: {
    readonly known: EngineState
    readonly waitSeconds: number
    readonly signal: AbortSignal
  }): Promise<EngineState>
  /** Throws OrderRefused when the order is malformed or its fence is old, other errors when the engine does not answer. */
  put(order: Order): Promise<EngineState>
}

/** systemd starts the engine at the first request, on a node that may be busy with a switch. */
const answerTimeoutMs = 20_000

export function engineClient(socketPath: string): Engine {
  return {
    state: (after) => {
      if (!after) return exchange({ socketPath, method: 'GET', path: '/v1/state', timeoutMs: answerTimeoutMs })
      const { known, waitSeconds, signal } = after
      const query = new URLSearchParams({ after: String(known.seq), run: known.run, waitSeconds: String(waitSeconds) })
      const timeoutMs = waitSeconds * 1000 + answerTimeoutMs
      return exchange({ socketPath, method: 'GET', path: `/v1/state?${query}`, timeoutMs, signal })
    },
    put: (order) =>
      exchange({
        socketPath,
        method: 'PUT',
        path: '/v1/order',
        timeoutMs: answerTimeoutMs,
        body: JSON.stringify(order),
      }),
  }
}

interface Exchange {
  readonly socketPath: string
  readonly method: 'GET' | 'PUT'
  readonly path: string
  readonly timeoutMs: number
  readonly signal?: AbortSignal
  readonly body?: string
}

async function exchange({ body, timeoutMs, signal, ...options }: Exchange): Promise<EngineState> {
  const signals = [AbortSignal.timeout(timeoutMs), ...(signal ? [signal] : [])]
  const headers =
    body === undefined ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }
  const { status, text } = await new Promise<{ status: number; text: string }>((resolve, reject) => {
    const sent = request({ ...options, headers, agent: false, signal: AbortSignal.any(signals) }, (response) => {
      let text = ''
      response.setEncoding('utf8')
      response.on('data', (chunk: string) => {
        text += chunk
      })
      response.on('error', reject)
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text }))
    })
    sent.on('error', reject)
    sent.end(body)
  })
  if (status === 400 || status === 409) throw new OrderRefused(messageOf(text))
  if (status >= 300) throw new Error(`the node engine answered ${status}: ${messageOf(text)}`)
  return JSON.parse(text) as EngineState
}

function messageOf(text: string): string {
  try {
    return String((JSON.parse(text) as { message?: unknown }).message)
  } catch {
    return text.slice(0, 200)
  }
}
