/** Calls to an engine over its CRI socket. */
import { Channel, GrpcStatus, grpcCodes } from './channel.ts'
import { CriError } from './error.ts'
import {
  CgroupDriver,
  ImageServiceDefinition,
  type MessageFns,
  type RuntimeConfigResponse,
  RuntimeServiceDefinition,
} from './gen/runtime.ts'

const calls = { ...RuntimeServiceDefinition.methods, ...ImageServiceDefinition.methods }

type Calls = typeof calls
export type Rpc = keyof Calls
type Message<T> = T extends MessageFns<infer M> ? M : never
export type Request<R extends Rpc> = Message<Calls[R]['requestType']>
export type Response<R extends Rpc> = Message<Calls[R]['responseType']>

/** Long enough for an engine under load; a call that may take longer says so. */
const usualDeadlineMs = 10_000

/**
 * One channel to one engine. Make a new client after each restart of the engine: what the old one was told may be gone.
 */
export class CriClient {
  readonly socket: string
  readonly #channel: Channel

  /** Connects at the first call, not here. */
  constructor(socket: string) {
    this.socket = socket
    this.#channel = new Channel(socket)
  }

  /** Rejects with a `CriError`, at the latest after `deadlineMs`. */
  async call<R extends Rpc>(rpc: R, request: Request<R>, deadlineMs = usualDeadlineMs): Promise<Response<R>> {
    // The union of all calls has no common message type; R ties the two ends together.
    const { name, requestType, responseType } = calls[rpc] as unknown as {
      name: string
      requestType: MessageFns<Request<R>>
      responseType: MessageFns<Response<R>>
    }
    const { fullName } = rpc in ImageServiceDefinition.methods ? ImageServiceDefinition : RuntimeServiceDefinition
    try {
      const bytes = requestType.encode(request).finish()
      const answer = await this.#channel.call(`/${fullName}/${name}`, bytes, deadlineMs)
      return decode(responseType, answer)
    } catch (error) {
      throw error instanceof GrpcStatus ? new CriError(name, error, this.socket) : error
    }
  }

  /** Ends the channel; calls under way fail as unavailable. */
  close(): void {
    this.#channel.close()
  }
}

function decode<T>(type: MessageFns<T>, bytes: Uint8Array): T {
  try {
    return type.decode(bytes)
  } catch (error) {
    throw new GrpcStatus(grpcCodes.internal, `an answer that is no message of CRI v1 (${(error as Error).message})`)
  }
}

/** The cgroup driver that an engine reports; undefined when it does not say (containerd before 2.0). */
export async function engineCgroupDriver(
  client: CriClient,
  deadlineMs?: number,
): Promise<'systemd' | 'cgroupfs' | undefined> {
  const answer = await client.call('runtimeConfig', {}, deadlineMs).catch((error: CriError): RuntimeConfigResponse => {
    if (error.isUnimplemented && !error.isNotServed) return {}
    throw error
  })
  if (!answer.linux) return undefined
  return answer.linux.cgroupDriver === CgroupDriver.CGROUPFS ? 'cgroupfs' : 'systemd'
}
