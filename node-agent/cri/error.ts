/** What an engine answers instead of a result, as a sentence and as questions. */
import { type GrpcStatus, grpcCodes } from './channel.ts'

export class CriError extends Error {
  override readonly name = 'CriError'
  /** Status code of gRPC. */
  readonly code: number
  /** Name of the call as in the API, such as `RunPodSandbox`. */
  readonly rpc: string
  /** What the engine itself wrote. */
  readonly details: string

  constructor(rpc: string, status: GrpcStatus, socket: string) {
    super(explain(rpc, status, socket), { cause: status })
    this.code = status.code
    this.rpc = rpc
    this.details = status.message
  }

  /** The engine does not know the call, or serves no CRI at all (`isNotServed`). */
  get isUnimplemented(): boolean {
    return this.code === grpcCodes.unimplemented
  }

  /** The engine runs, but serves no CRI v1: waiting does not help. */
  get isNotServed(): boolean {
    return this.isUnimplemented && saysNotServed(this.details)
  }

  /** Nobody listens on the socket, or the connection broke. */
  get isUnavailable(): boolean {
    return this.code === grpcCodes.unavailable
  }

  get isDeadlineExceeded(): boolean {
    return this.code === grpcCodes.deadlineExceeded
  }

  /** What the call is about is not there (any more). */
  get isNotFound(): boolean {
    return this.code === grpcCodes.notFound
  }
}

const saysNotServed = (details: string): boolean => details.includes('unknown service')

function explain(rpc: string, { code, message }: GrpcStatus, socket: string): string {
  if (code === grpcCodes.deadlineExceeded) return `${rpc}: the engine at ${socket} gave ${message}`
  if (code === grpcCodes.unavailable) return `${rpc}: no engine answers at ${socket} (${message})`
  if (code === grpcCodes.unimplemented && saysNotServed(message)) {
    return (
      `the engine at ${socket} runs but serves no CRI (${message}): its CRI plugin is disabled or did not load; ` +
      'its log and its configuration (disabled_plugins, the default runtime) say why'
    )
  }
  return `${rpc}: the engine said: ${message || `gRPC code ${code}`}`
}
