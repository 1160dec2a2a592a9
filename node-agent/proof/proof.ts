/** The words of a proof: what it is given, what its steps share, what it hands back. */
import type { NodeRuntimeStatus } from '../../crds/types.gen.ts'
import type { Clock } from '../../kube/clock.ts'
import type { CriClient, Request, Response, Rpc } from '../cri/client.ts'
import type { PodSandboxConfig } from '../cri/gen/runtime.ts'

export type CgroupDriver = 'systemd' | 'cgroupfs'

/** As the API has it: `status.verification` of a NodeRuntime. */
export type Verification = NonNullable<NodeRuntimeStatus['verification']>

export interface ProofHandler {
  readonly name: string
  /** Asked for without a name, as a pod without a RuntimeClass does. */
  readonly default: boolean
}

/** Where the kernel and the engine show what they made. */
export interface HostPaths {
  /** `/proc` of the host. */
  readonly proc: string
  /** `/sys/fs/cgroup` of the host. */
  readonly cgroup: string
  /** `/run/netns`, where engines keep network namespaces by name; it need not exist. */
  readonly netns: string
}

export interface ProofOptions {
  readonly client: CriClient
  readonly handlers: readonly ProofHandler[]
  /** Reference of the image with the program of container.ts. It must be on the node: nothing is pulled. */
  readonly image: string
  /** Pods run in the host's network, and nothing is asked of a network of pods: there is none, or it needs what rests meanwhile. */
  readonly isWithoutNetwork?: true
  /** The driver that the engine is to have. */
  readonly cgroupDriver: CgroupDriver
  readonly cgroupVersion: 'v1' | 'v2'
  /** The driver that the kubelet is set to; undefined where there is no kubelet. */
  readonly kubeletDriver?: CgroupDriver
  /** Names this proof: at most 40 of a-z, 0-9 and `-`; no other proof ever had it. */
  readonly id: string
  /** For the whole proof, without what a failed one needs to clean up. */
  readonly timeoutMs: number
  /** For the removal of what failed and earlier proofs have made. */
  readonly cleanUpMs: number
  readonly clock: Clock
  /** Folder for the logs of the proof's containers. */
  readonly logDirectory: string
  readonly paths: HostPaths
}

export interface Timing {
  readonly name: string
  readonly milliseconds: number
}

export interface Proof {
  readonly verification: Verification
  /** What the engine says it is; undefined when it said nothing. */
  readonly runtime?: { readonly name: string; readonly version: string }
  readonly driver: { readonly engine?: CgroupDriver; readonly kubelet?: CgroupDriver }
  /** The steps before the handlers. */
  readonly calls: readonly Timing[]
}

/** One thing that a proof does or looks at. It throws a sentence when what it finds is not what must be. */
export interface Step<Subject> {
  /** The CRI call, or the thing that is looked at. */
  readonly name: string
  run(subject: Subject): Promise<void>
}

/** A call that takes no longer than the proof has left. */
export type Call = <R extends Rpc>(rpc: R, request: Request<R>) => Promise<Response<R>>

/** What the steps about the engine as a whole share. */
export interface EngineProof {
  readonly options: ProofOptions
  readonly call: Call
  readonly remainingMs: () => number
  readonly found: { runtime?: { name: string; version: string }; driver?: CgroupDriver }
}

/** What the steps of one handler share; each finds what later ones need. */
export interface HandlerProof {
  readonly options: ProofOptions
  readonly handler: ProofHandler
  readonly call: Call
  readonly remainingMs: () => number
  readonly sandbox: PodSandboxConfig
  readonly found: {
    sandboxId: string
    containerId: string
    podIP: string
    /** Process 1 of the container, as the host numbers it. */
    pid: number
    /** Inode of the pod's network namespace, which is its identity. */
    netns?: bigint
    cgroup?: { path: string; folders: readonly string[]; memoryLimitBytes: number }
  }
}
