/**
 * A switch is a list of steps; undoing it is the same list backwards. A step may be cut off at any point and is then
 * applied, or reverted, from its beginning.
 */
import type { NodeRuntimeStatus } from '../../crds/types.gen.ts'
import type { Side } from '../engines/engine.ts'
import type { BootClock } from '../host/boot-clock.ts'
import type { Host } from '../host/host.ts'
import type { Blobs } from '../journal/blobs.ts'
import type { Change, Expectation, PackageChange, Verification } from '../journal/records.ts'

export type StepName =
  | 'export-images'
  | 'stop-kubelet'
  | 'remove-pods'
  | 'stop-engine'
  | 'disable-units'
  | 'install-packages'
  | 'write-files'
  | 'enable-units'
  | 'start-engine'
  | 'import-images'
  | 'prove'
  | 'start-kubelet'

/** How long something may take. */
export interface Limit {
  /** On the monotonic clock. */
  readonly untilMs: number
  /** Aborts at that instant, or earlier when it is no longer wanted. */
  readonly signal: AbortSignal
}

/** The engine behind an endpoint, spoken to through CRI. No call outlasts its limit for long. */
export interface Runtime {
  /** Resolves as soon as the engine answers and says that it is ready. */
  ready(endpoint: string, limit: Limit): Promise<void>
  /** Ids of all pods, of those that have ended too. */
  pods(endpoint: string, limit: Limit): Promise<readonly string[]>
  /** Stops and removes every pod but those with these ids; tells how many there were. */
  removePods(endpoint: string, limit: Limit, kept?: readonly string[]): Promise<number>
  /** Pulls an image that is not in the engine's store. */
  pullMissing(endpoint: string, image: string, limit: Limit): Promise<void>
  /** Runs one pod per handler, after removing what an interrupted proof left. What fails is told, not thrown. */
  prove(
    endpoint: string,
    wanted: Expectation & Pick<Change, 'image' | 'isWithoutNetwork'>,
    limit: Limit,
  ): Promise<Verification>
}

/** What files, units and CRI cannot do: packages of the distribution, images between stores, pods where there is no CRI. */
export interface Provisions {
  install(packages: PackageChange): Promise<void>
  /** What `install` has done is taken back, whole or half done. */
  restore(packages: PackageChange): Promise<void>
  /** Tells how many there were. */
  removePods(from: Side['name'], timeoutMs: number): Promise<number>
  /** Tells how many bytes the archive has. */
  exportImages(from: Side['name'], images: Images, timeoutMs: number): Promise<number>
  /** Tells how many bytes the archive has. */
  importImages(to: Side['name'], images: Images, timeoutMs: number): Promise<number>
}

/** Images by their names, as one docker archive. */
export type Images = Required<NonNullable<Change['images']>>

export interface StepContext {
  readonly host: Host
  readonly clock: BootClock
  readonly runtime: Runtime
  readonly provisions: Provisions
  readonly blobs: Blobs
  /** Gives up reserved space and tries again when the disk is full. */
  readonly withReserve: (act: () => Promise<void>) => Promise<void>
  /** Whether the kubelet says that it is healthy. */
  readonly kubeletHealthy: (healthz: NonNullable<Change['healthz']>) => Promise<boolean>
  readonly change: Change
  /** What is known so far. */
  readonly findings: Findings
  /** Ends at the deadline, and when the change is to be undone. */
  readonly limit: Limit
  /** Tells what a step has found out for the status. */
  readonly found: (finding: Finding) => void
}

/** Kept with each record, so that a crash does not lose what steps have found out. */
export interface Findings {
  readonly podsRemoved: number
  /** Ids of the pods that were there before a newer program of the engine: they run on, also when it is undone. */
  readonly kept?: readonly string[]
  readonly images?: NonNullable<NodeRuntimeStatus['images']>
  readonly verification?: Verification
}

type ImagesFound = NonNullable<Findings['images']>

/** Pods that were removed add up; what is told of images is added to what is known of them. */
export type Finding = Partial<Omit<Findings, 'images'>> & { readonly images?: Partial<ImagesFound> }

export interface Step {
  readonly name: StepName
  /** True when the effect of `apply` is there already. Absent: the step is applied in any case. */
  check?(context: StepContext): Promise<boolean>
  apply(context: StepContext): Promise<void>
  /** Takes the effect of `apply` back, whole or half done. */
  revert?(context: StepContext): Promise<void>
}

/** Polls often: these waits are time without a kubelet. `what` completes the sentence "gave up waiting until ...". */
export async function waitUntil(context: StepContext, what: string, holds: () => Promise<boolean>): Promise<void> {
  const { clock, limit } = context
  while (!(await holds())) {
    if (limit.signal.aborted) throw new Error(`Gave up waiting until ${what}.`, { cause: limit.signal.reason })
    await clock.sleep(25, limit.signal)
  }
}

/** A unit that was stopped while it was still starting is often left as failed: it does not run, and that is what counts. */
export async function isStopped({ host }: Pick<StepContext, 'host'>, unit: string): Promise<boolean> {
  const { activeState } = await host.unit(unit)
  return activeState === 'inactive' || activeState === 'failed'
}

/** Stops a unit, if it runs at all. */
export async function stopIfActive(context: StepContext, unit: string): Promise<void> {
  if (!(await isStopped(context, unit))) await context.host.stopUnit(unit)
}

/**
 * Starts units for certain, in this order: one that runs keeps what it loaded when it started, whatever its files say now.
 * All of them stop first, the last one before the others: it may depend on them.
 */
export async function startAnew(context: StepContext, ...units: readonly string[]): Promise<void> {
  const { host, clock, limit } = context
  const before = await Promise.all(units.map((unit) => host.unit(unit)))
  for (const unit of units.toReversed()) await stopIfActive(context, unit)
  for (const [index, unit] of units.entries()) {
    await host.startUnit(unit, Math.max(1, Math.round(limit.untilMs - clock.monotonicMs())))
    const { invocationId } = await host.unit(unit)
    if (invocationId === before[index]!.invocationId) throw new Error(`${unit} was not started anew.`)
  }
}
