/** CRI calls by the usual gRPC library, as plainly as they can be made: the yardstick. */
import { Client, credentials } from '@grpc/grpc-js'
import type { Request, Response, Rpc } from '../../../node-agent/cri/client.ts'
import {
  ImageServiceDefinition,
  type MessageFns,
  RuntimeServiceDefinition,
} from '../../../node-agent/cri/gen/runtime.ts'

const calls = { ...RuntimeServiceDefinition.methods, ...ImageServiceDefinition.methods }

/** Longer than any call may take: a yardstick that gives up is none. */
const deadlineMs = 60_000

export class RawCri {
  readonly #client: Client

  constructor(socket: string) {
    this.#client = new Client(`unix://${socket}`, credentials.createInsecure())
  }

  call<R extends Rpc>(rpc: R, message: Request<R>): Promise<Response<R>> {
    const { name, requestType, responseType } = calls[rpc] as unknown as {
      name: string
      requestType: MessageFns<Request<R>>
      responseType: MessageFns<Response<R>>
    }
    const { fullName } = rpc in ImageServiceDefinition.methods ? ImageServiceDefinition : RuntimeServiceDefinition
    return new Promise((resolve, reject) => {
      this.#client.makeUnaryRequest(
        `/${fullName}/${name}`,
        (request: Request<R>) => Buffer.from(requestType.encode(request).finish()),
        (bytes) => responseType.decode(bytes),
        message,
        { deadline: Date.now() + deadlineMs },
        (error, answer) => (answer === undefined ? reject(error ?? new Error(`${name}: no answer`)) : resolve(answer)),
      )
    })
  }

  close(): void {
    this.#client.close()
  }
}
