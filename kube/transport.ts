// The one thing that the client needs from the network.

export type HttpMethod = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'

export interface TransportRequest {
  readonly method: HttpMethod
  /** Absolute path, already escaped. */
  readonly path: string
  readonly query?: Readonly<Record<string, string>>
  /** Sent as JSON. */
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
  /** For the whole exchange, connecting and the body included. */
  readonly timeoutMs: number
  readonly signal?: AbortSignal
}

export interface TransportResponse {
  readonly status: number
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string>>
  /** Parsed when the answer says that it is JSON, else the text. */
  readonly body: unknown
}

export interface StreamRequest {
  readonly path: string
  readonly query?: Readonly<Record<string, string>>
  readonly headers?: Readonly<Record<string, string>>
  readonly signal: AbortSignal
  /** The connection is given up when no byte arrives for so long. */
  readonly idleTimeoutMs: number
}

export interface Transport {
  /**
   * One exchange. Any HTTP status is an answer, not an error.
   * Throws ConnectionError when there is no complete answer, and the signal's reason when it aborts.
   */
  request(request: TransportRequest): Promise<TransportResponse>
  /**
   * The lines of a GET that stays open. Ends when the server ends it or when the signal aborts.
   * Throws KubeError when the status is not 200, ConnectionError when the connection breaks or falls idle.
   */
  stream(request: StreamRequest): AsyncIterable<string>
  /** Drops every connection, those in use too. */
  close(): void
}
