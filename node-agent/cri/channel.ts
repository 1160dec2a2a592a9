/**
 * gRPC over a unix socket, as far as CRI needs it: one request, one answer, a deadline.
 * https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md
 *
 * Written on node:http2 because the engine's memory counts on every node: the usual client library adds 8 MB to a process
 * that needs 55 with the protocol alone, for streaming, name resolution, balancing and retries that nothing here uses.
 */
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  constants,
  type IncomingHttpHeaders,
} from 'node:http2'
import { connect as connectSocket } from 'node:net'

/** https://grpc.io/docs/guides/status-codes/ */
export const grpcCodes = {
  ok: 0,
  unknown: 2,
  deadlineExceeded: 4,
  notFound: 5,
  resourceExhausted: 8,
  unimplemented: 12,
  internal: 13,
  unavailable: 14,
} as const

/** How a call ended that brought no answer. */
export class GrpcStatus extends Error {
  override readonly name = 'GrpcStatus'
  readonly code: number

  constructor(code: number, details: string) {
    super(details)
    this.code = code
  }
}

/** As the kubelet has it: the list of all containers of a full node is larger than gRPC's usual 4 MiB. */
const largestMessage = 16 * 1024 * 1024
/** A byte that says whether the message is compressed, and four of its length. */
const prefixLength = 5

export class Channel {
  readonly #socket: string
  #session: ClientHttp2Session | undefined

  /** Connects at the first call, not here. */
  constructor(socket: string) {
    this.#socket = socket
  }

  /** Rejects with a `GrpcStatus`, at the latest after `deadlineMs`, which the server is told too. */
  call(path: string, message: Uint8Array, deadlineMs: number): Promise<Uint8Array> {
    const budget = Math.max(1, Math.floor(deadlineMs))
    return new Promise((resolve, reject) => {
      const session = this.#connected()
      const stream = session.request({
        ':method': 'POST',
        ':path': path,
        'content-type': 'application/grpc',
        te: 'trailers',
        'grpc-timeout': grpcTimeout(budget),
      })
      const timer = setTimeout(() => {
        reject(new GrpcStatus(grpcCodes.deadlineExceeded, `no answer within ${budget} ms`))
        stream.close(constants.NGHTTP2_CANCEL)
      }, budget)
      receive(stream)
        .then(resolve, reject)
        .finally(() => clearTimeout(timer))
      const prefix = Buffer.alloc(prefixLength)
      prefix.writeUInt32BE(message.length, 1)
      stream.end(Buffer.concat([prefix, message]))
    })
  }

  /** Calls under way fail as unavailable. */
  close(): void {
    this.#session?.destroy()
  }

  #connected(): ClientHttp2Session {
    if (this.#session && !this.#session.closed && !this.#session.destroyed) return this.#session
    const session = connect('http://localhost', { createConnection: () => connectSocket(this.#socket) })
    // Each call under way hears of it by itself; without a listener the process would end.
    session.on('error', () => undefined)
    this.#session = session
    return session
  }
}

/** At most eight digits and a unit. */
function grpcTimeout(ms: number): string {
  return ms < 1e8 ? `${ms}m` : `${Math.floor(ms / 1000)}S`
}

async function receive(stream: ClientHttp2Stream): Promise<Uint8Array> {
  let head: IncomingHttpHeaders = {}
  let trailers: IncomingHttpHeaders = {}
  const chunks: Buffer[] = []
  let length = 0
  stream.on('response', (headers) => {
    head = headers
  })
  stream.on('trailers', (headers) => {
    trailers = headers
  })
  stream.on('data', (chunk: Buffer) => {
    length += chunk.length
    if (length <= largestMessage + prefixLength) chunks.push(chunk)
    else stream.destroy(new GrpcStatus(grpcCodes.resourceExhausted, `an answer of more than ${largestMessage} bytes`))
  })
  await new Promise<void>((resolve, reject) => {
    stream.on('error', (error) =>
      reject(error instanceof GrpcStatus ? error : new GrpcStatus(grpcCodes.unavailable, reasonOf(error))),
    )
    stream.on('close', resolve)
  })
  // A call that fails at once has the status in its only headers.
  return messageOf(Buffer.concat(chunks), { ...head, ...trailers })
}

function messageOf(body: Buffer, headers: IncomingHttpHeaders): Uint8Array {
  const status = headers['grpc-status']
  if (headers[':status'] === undefined) throw new GrpcStatus(grpcCodes.unavailable, 'the connection broke')
  if (Number(headers[':status']) !== 200 || status === undefined) {
    throw new GrpcStatus(grpcCodes.unknown, `an answer that is not gRPC (HTTP status ${headers[':status']})`)
  }
  if (Number(status) !== grpcCodes.ok) throw new GrpcStatus(Number(status), decoded(headers['grpc-message']))
  if (body.length < prefixLength || body[0] !== 0 || body.readUInt32BE(1) !== body.length - prefixLength) {
    throw new GrpcStatus(grpcCodes.internal, `an answer of ${body.length} bytes that is not one plain message`)
  }
  return body.subarray(prefixLength)
}

/** `grpc-message` is percent-encoded UTF-8; a server that gets it wrong is quoted as it is. */
function decoded(header: string | string[] | undefined): string {
  const text = String(header ?? '')
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

/** The system's word for it, such as ENOENT or ECONNREFUSED, is what people search for. */
function reasonOf(error: Error & { code?: string; cause?: unknown }): string {
  return error.code && !error.message.includes(error.code) ? `${error.code}: ${error.message}` : error.message
}
