import type { Transport } from './transport.ts'

/**
 * A transport for whoever may write only as long as it leads: asked right before each request that changes something,
 * later tries of one that failed included.
 */
export function guardedTransport(transport: Transport, mayWrite: () => boolean): Transport {
  return {
    request: async (request) => {
      if (request.method !== 'GET' && !mayWrite()) {
        throw new Error(`${request.method} ${request.path} was not sent: this process may not write any more`)
      }
      return transport.request(request)
    },
    stream: (request) => transport.stream(request),
    close: () => transport.close(),
  }
}
