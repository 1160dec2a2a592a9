/**
 * An engine that speaks CRI over a real socket, by another gRPC implementation than ours, and shows in a folder what a
 * kernel and an engine show of containers. Any call can be made to fail in the ways that engines do.
 */
import { linkSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server as HttpServer } from 'node:http'
import { dirname, join } from 'node:path'
import { Server, ServerCredentials, type ServiceDefinition, type UntypedServiceImplementation } from '@grpc/grpc-js'
import type { Request, Response, Rpc } from '../../node-agent/cri/client.ts'
import {
  CgroupDriver,
  type ContainerConfig,
  ContainerState,
  ImageServiceDefinition,
  type MessageFns,
  type PodSandboxConfig,
  PodSandboxState,
  RuntimeServiceDefinition,
} from '../../node-agent/cri/gen/runtime.ts'

export type Fault<R extends Rpc> =
  | 'hang'
  | 'garbage'
  | { readonly code: number; readonly details: string }
  | ((answer: Response<R>) => Response<R>)
export type Faults = { [R in Rpc]?: Fault<R> }
export type Leftover = 'sandbox' | 'container' | 'cgroup' | 'netns'

export interface FakeOptions {
  readonly folder: string
  readonly driver?: 'systemd' | 'cgroupfs'
  readonly cgroupVersion?: 'v1' | 'v2'
  readonly faults?: Faults
  /** What stays behind although its removal was answered. */
  readonly leaves?: Leftover
  /** What happens on the host when a container has started. */
  readonly spoil?: (engine: FakeEngine, container: FakeContainer) => void
}

interface FakeSandbox {
  readonly id: string
  readonly config: PodSandboxConfig
  readonly handler: string
  readonly ip: string
  state: PodSandboxState
}

export interface FakeContainer {
  readonly id: string
  readonly sandbox: FakeSandbox
  readonly config: ContainerConfig
  readonly pid: number
  state: ContainerState
  http?: HttpServer
  readonly hostFiles: string[]
}

const theImage = { id: 'sha256:1', repoTags: ['drydock.dev/agent:1'], repoDigests: [], size: 0n }
const definitions = [RuntimeServiceDefinition, ImageServiceDefinition] as const
let addresses = 0

export class FakeEngine {
  readonly socket: string
  readonly paths: { readonly proc: string; readonly cgroup: string; readonly netns: string }
  readonly logDirectory: string
  readonly called: string[] = []
  readonly sandboxes = new Map<string, FakeSandbox>()
  readonly containers = new Map<string, FakeContainer>()
  faults: Faults
  readonly options: FakeOptions
  readonly #server = new Server({ 'grpc.max_send_message_length': -1 })
  #ids = 0

  constructor(options: FakeOptions) {
    this.options = options
    this.faults = options.faults ?? {}
    this.socket = join(options.folder, 'cri.sock')
    this.paths = {
      proc: join(options.folder, 'proc'),
      cgroup: join(options.folder, 'cgroup'),
      netns: join(options.folder, 'netns'),
    }
    this.logDirectory = join(options.folder, 'logs')
    for (const path of [...Object.values(this.paths), this.logDirectory]) mkdirSync(path, { recursive: true })
    if (options.cgroupVersion !== 'v2')
      for (const name of ['memory', 'cpu']) mkdirSync(join(this.paths.cgroup, name), { recursive: true })
  }

  async start(): Promise<this> {
    for (const definition of definitions) {
      const service: Record<string, ServiceDefinition[string]> = {}
      const implementation: UntypedServiceImplementation = {}
      for (const [rpc, method] of Object.entries(definition.methods)) {
        const request = method.requestType as MessageFns<unknown>
        const response = method.responseType as MessageFns<unknown>
        service[rpc] = {
          path: `/${definition.fullName}/${method.name}`,
          requestStream: false,
          responseStream: false,
          requestSerialize: (value: unknown) => Buffer.from(request.encode(value).finish()),
          requestDeserialize: (bytes: Buffer) => request.decode(bytes),
          responseSerialize: (value: unknown) =>
            Buffer.isBuffer(value) ? value : Buffer.from(response.encode(value).finish()),
          responseDeserialize: (bytes: Buffer) => response.decode(bytes),
        }
        implementation[rpc] = ((call: { request: never }, answer: (error: object | null, value?: unknown) => void) =>
          this.#answer(rpc as Rpc, call.request, answer)) as never
      }
      this.#server.addService(service, implementation)
    }
    await new Promise<void>((resolve, reject) =>
      this.#server.bindAsync(`unix:${this.socket}`, ServerCredentials.createInsecure(), (error) =>
        error ? reject(error) : resolve(),
      ),
    )
    return this
  }

  stop(): void {
    for (const container of this.containers.values()) container.http?.close()
    this.#server.forceShutdown()
  }

  /** Everything that is still there of any pod, wherever it shows. */
  remains(): string[] {
    const folders = [this.logDirectory, this.paths.netns, this.paths.proc]
    const cgroups = readdirSync(this.paths.cgroup, { recursive: true, withFileTypes: true })
    return [
      ...this.sandboxes.keys(),
      ...this.containers.keys(),
      ...folders.flatMap((folder) => readdirSync(folder)),
      ...cgroups.filter((entry) => entry.isFile() || entry.name === 'drydock-proof').map(({ name }) => name),
    ]
  }

  #answer(rpc: Rpc, request: never, answer: (error: object | null, value?: unknown) => void): void {
    this.called.push(rpc)
    const fault = this.faults[rpc]
    if (fault === 'hang') return
    if (fault === 'garbage') answer(null, Buffer.from([0x0b, 0xff, 0xff]))
    else if (typeof fault === 'object') answer(fault)
    else {
      void Promise.resolve((this.#calls[rpc] as (request: never) => unknown)(request)).then((value) =>
        answer(null, typeof fault === 'function' ? (fault as (value: unknown) => unknown)(value) : value),
      )
    }
  }

  readonly #calls: { [R in Rpc]: (request: Request<R>) => Response<R> | Promise<Response<R>> } = {
    version: () => ({ runtimeName: 'fake', runtimeVersion: '1.2.3' }),
    status: () => ({
      status: {
        conditions: ['RuntimeReady', 'NetworkReady'].map((type) => ({ type, status: true, reason: '', message: '' })),
      },
      runtimeHandlers: ['', 'runc', 'crun'].map((name) => ({ name })),
    }),
    runtimeConfig: () => ({
      linux: { cgroupDriver: this.options.driver === 'systemd' ? CgroupDriver.SYSTEMD : CgroupDriver.CGROUPFS },
    }),
    imageStatus: () => ({ image: theImage }),
    listImages: () => ({ images: [theImage] }),
    pullImage: () => ({ imageRef: theImage.id }),
    imageFsInfo: () => ({ imageFilesystems: [{ usedBytes: { value: 5_000_000_000n } }, {}] }),
    runPodSandbox: ({ config, runtimeHandler }) => {
      const id = this.#id()
      const ip = `127.77.${++addresses >> 8}.${addresses & 255}`
      const sandbox = { id, config: config!, handler: runtimeHandler, ip, state: PodSandboxState.SANDBOX_READY }
      this.sandboxes.set(id, sandbox)
      writeFileSync(join(this.paths.netns, `cni-${id}`), '')
      return { podSandboxId: id }
    },
    podSandboxStatus: ({ podSandboxId }) => {
      const { id, config, state, ip } = this.sandboxes.get(podSandboxId)!
      const options = config.linux?.securityContext?.namespaceOptions
      return { status: { id, state, network: { ip }, linux: { namespaces: { options } } } }
    },
    listPodSandbox: ({ filter }) => ({
      items: [...this.sandboxes.values()]
        .filter(({ config }) => matches(config.labels, filter?.labelSelector))
        .map(({ id, config, state }) => ({
          id,
          metadata: config.metadata,
          state,
          labels: config.labels,
        })),
    }),
    createContainer: ({ podSandboxId, config }) => {
      const id = this.#id()
      const pid = 1000 + this.#ids
      const sandbox = this.sandboxes.get(podSandboxId)!
      const state = ContainerState.CONTAINER_CREATED
      this.containers.set(id, { id, sandbox, config: config!, pid, state, hostFiles: [] })
      return { containerId: id }
    },
    startContainer: async ({ containerId }) => {
      await this.#startContainer(this.containers.get(containerId)!)
      return {}
    },
    containerStatus: ({ containerId }) => {
      const { id, pid, state } = this.containers.get(containerId)!
      return { status: { id, state, exitCode: 0, reason: '', message: '' }, info: { info: JSON.stringify({ pid }) } }
    },
    execSync: ({ containerId }) => {
      const token = this.containers.get(containerId)!.config.command.at(-1)!
      return { stdout: Buffer.from(token), stderr: Buffer.alloc(0), exitCode: 0 }
    },
    stopContainer: ({ containerId }) => {
      this.#stopContainer(this.containers.get(containerId))
      return {}
    },
    removeContainer: ({ containerId }) => {
      if (this.options.leaves !== 'container') this.containers.delete(containerId)
      return {}
    },
    listContainers: ({ filter }) => ({
      containers: [...this.containers.values()]
        .filter(({ config }) => matches(config.labels, filter?.labelSelector))
        .map(({ id, sandbox, config, state }) => ({
          id,
          podSandboxId: sandbox.id,
          image: config.image,
          imageRef: theImage.id,
          state,
        })),
    }),
    stopPodSandbox: ({ podSandboxId }) => {
      for (const container of this.#of(podSandboxId)) this.#stopContainer(container)
      const sandbox = this.sandboxes.get(podSandboxId)
      if (sandbox) sandbox.state = PodSandboxState.SANDBOX_NOTREADY
      if (this.options.leaves !== 'netns') rmSync(join(this.paths.netns, `cni-${podSandboxId}`), { force: true })
      return {}
    },
    removePodSandbox: ({ podSandboxId }) => {
      for (const { id } of this.#of(podSandboxId)) if (this.options.leaves !== 'container') this.containers.delete(id)
      if (this.options.leaves !== 'sandbox') this.sandboxes.delete(podSandboxId)
      return {}
    },
  }

  #id(): string {
    return `${(++this.#ids).toString(16).padStart(8, '0')}`.repeat(8)
  }

  #of(sandboxId: string): FakeContainer[] {
    return [...this.containers.values()].filter(({ sandbox }) => sandbox.id === sandboxId)
  }

  async #startContainer(container: FakeContainer): Promise<void> {
    const { sandbox, config, pid, id } = container
    const parent = sandbox.config.linux!.cgroupParent
    const path = this.options.driver === 'systemd' ? `/${parent}/cri-fake-${id}.scope` : `${parent}/${id}`
    const resources = config.linux!.resources!
    const v2 = this.options.cgroupVersion === 'v2'
    this.hostFile(
      container,
      join('proc', `${pid}`, 'cgroup'),
      v2 ? `0::${path}\n` : `5:memory:${path}\n4:cpu:${path}\n`,
    )
    const limits = {
      v1: {
        'memory/memory.limit_in_bytes': resources.memoryLimitInBytes,
        'cpu/cpu.cfs_quota_us': resources.cpuQuota,
        'cpu/cpu.cfs_period_us': resources.cpuPeriod,
      },
      v2: { 'memory.max': resources.memoryLimitInBytes, 'cpu.max': `${resources.cpuQuota} ${resources.cpuPeriod}` },
    }[v2 ? 'v2' : 'v1']
    for (const [file, value] of Object.entries(limits)) {
      const folder = v2 ? 'cgroup' : join('cgroup', dirname(file))
      this.hostFile(container, join(folder, path, file.split('/').at(-1)!), `${value}\n`)
    }
    mkdirSync(join(this.paths.proc, `${pid}`, 'ns'))
    linkSync(join(this.paths.netns, `cni-${sandbox.id}`), join(this.paths.proc, `${pid}`, 'ns/net'))
    const token = config.command.at(-1)!
    const line = `2026-11-21T10:00:00.123456789Z stdout F drydock proof ${token} is listening\n`
    writeFileSync(join(sandbox.config.logDirectory, config.logPath), line)
    container.http = createServer((_, response) => response.end(token))
    await new Promise<void>((resolve) => container.http!.listen(8080, sandbox.ip, resolve))
    container.state = ContainerState.CONTAINER_RUNNING
    this.options.spoil?.(this, container)
  }

  /** Writes a file that goes when the container ends. */
  hostFile(container: FakeContainer, path: string, text: string): void {
    const file = join(this.options.folder, path)
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, text)
    container.hostFiles.push(file)
  }

  #stopContainer(container: FakeContainer | undefined): void {
    if (container?.state !== ContainerState.CONTAINER_RUNNING) return
    container.state = ContainerState.CONTAINER_EXITED
    container.http?.closeAllConnections()
    container.http?.close()
    rmSync(join(this.paths.proc, `${container.pid}`), { recursive: true, force: true })
    if (this.options.leaves === 'cgroup') return
    for (const file of container.hostFiles) rmSync(dirname(file), { recursive: true, force: true })
  }
}

const matches = (labels: Record<string, string>, wanted: Record<string, string> = {}): boolean =>
  Object.entries(wanted).every(([key, value]) => labels[key] === value)
