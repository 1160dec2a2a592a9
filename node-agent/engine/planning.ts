/** Detection, sources and planning, brought together for one order. */
import { finalizer } from '../../crds/protocol.ts'
import type { Clock } from '../../kube/clock.ts'
import { detectCni } from '../cni/cni.ts'
import { dependentPlugin } from '../cni/network.ts'
import type { ImagesInUse } from '../cri/images.ts'
import { crictlPath } from '../crictl/render.ts'
import { checkPlan } from '../detect/check.ts'
import type { Observation } from '../detect/observation.ts'
import { observe } from '../detect/observe.ts'
import {
  type CgroupDriver,
  isRefusal,
  type Pasts,
  type Refusal,
  type SourceEngine,
  type Target,
} from '../engines/engine.ts'
import { engineByName, sourceByName } from '../engines/index.ts'
import { Refused } from '../engines/refused.ts'
import type { Host, UnitState } from '../host/host.ts'
import type { Staging } from '../host/staging.ts'
import type { Memory } from '../journal/memory.ts'
import type { Change, Order } from '../journal/records.ts'
import { nothing } from '../plan/nothing.ts'
import { endpointOf, planNode } from '../plan/plan.ts'
import type { EngineAhead, Heritage } from '../plan/types.ts'
import { ahead } from '../sources/ahead.ts'
import { stage, withPrograms } from '../sources/stage.ts'
import { type Composing, changeOf, sidesOf } from './composing.ts'
import { type ImagePlan, planImages } from './image-plan.ts'
import { isFor } from './machine.ts'
import type { Plan, Planned } from './prepare.ts'

export interface Planning {
  readonly host: Host
  readonly staging: Staging
  readonly clock: Clock
  /** The images that containers behind a CRI endpoint were made from, and the earlier ones that it still holds. */
  readonly imagesInUse: (endpoint: string, earlier: readonly string[]) => Promise<ImagesInUse>
  /** What the images behind a CRI endpoint take on disk; undefined when the engine does not know. */
  readonly imageBytes: (endpoint: string) => Promise<number | undefined>
  readonly stateFolder: string
  /** A person is at the machine, and no cluster's agent. */
  readonly embedded?: Embedding
}

export interface Embedding {
  /** Files with images that no registry has to have: imported before the proof. */
  readonly archives: readonly string[]
}

/** A profile is not let go of before its nodes have their files back: a person who does not want them back must know how. */
function told({ target }: Order, { reason, message }: Refusal): Refusal {
  if (target) return { reason, message }
  const how = `to keep what the node runs now, remove the finalizer ${finalizer} of the profile`
  return { reason, message: `what the node ran before Drydock cannot be put back: ${message}; or, ${how}` }
}

/** The engine as the target wants it, its programs ready on the host. Undefined: it is not there, and nothing brings it. */
async function wanted(
  { host, staging, clock }: Planning,
  target: Target,
  pasts: Pasts,
): Promise<EngineAhead | Refusal | undefined> {
  const engine = engineByName(target.engine.name)
  if (!engine) return undefined
  const staged = await stage({ host, staging, clock }, { engine, target, pasts })
  if (staged && isRefusal(staged)) return staged
  const found = await engine.detect(staged ? ahead(host, staged) : host, staged)
  return found && { engine, found, ...(staged && { staged }) }
}

/** The engine of before Drydock. */
async function original(
  { host }: Planning,
  { origin }: Memory,
  { engine, kubelet }: Observation,
): Promise<EngineAhead | undefined> {
  const isSame = origin === undefined || origin.side.name === engine?.engine.name
  if (isSame) return engine
  // A kubelet would be left without its engine.
  if (origin.side.name === 'none') return kubelet ? undefined : nothing
  const former = sourceByName(origin.side.name)
  const found = await former?.detect(host)
  return former && found && { engine: former, found }
}

/** Without a kubelet: that of the engine, or the one that kubeadm gives a kubelet. */
function driverNow({ kubelet, observed: { cgroup } }: Observation): CgroupDriver | undefined {
  return cgroup?.kubeletDriver ?? (kubelet ? undefined : (cgroup?.engineDriver ?? 'systemd'))
}

function heritageOf({ origin }: Memory, observation: Observation): Heritage {
  if (origin) {
    const { proof, sandboxImage, side } = origin
    const cgroupDriver = proof?.kubeletDriver ?? proof?.cgroupDriver ?? driverNow(observation)
    return { engine: side.name, cgroupDriver, sandboxImage }
  }
  const { engine, observed } = observation
  return {
    engine: engine?.engine.name ?? 'none',
    cgroupDriver: driverNow(observation),
    sandboxImage: observed.sandboxImage,
  }
}

async function bytesOf(host: Host, paths: Iterable<string>): Promise<ReadonlyMap<string, Buffer | undefined>> {
  const files = new Map<string, Buffer | undefined>()
  for (const path of paths) files.set(path, await host.readFile(path))
  return files
}

async function statesOf(host: Host, names: readonly string[]): Promise<ReadonlyMap<string, UnitState>> {
  const states = await Promise.all(names.map(async (name) => [name, await host.unit(name)] as const))
  return new Map(states)
}

function masked(states: ReadonlyMap<string, UnitState>, units: readonly string[]): Refusal | undefined {
  const unit = units.find((name) => states.get(name)?.loadState === 'masked')
  if (unit === undefined) return undefined
  const message = `${unit} is masked on this node, so it cannot be started: run systemctl unmask ${unit}, or keep the engine that runs`
  return { reason: 'UnitMasked', message }
}

/** In use before the drain: the pods that it moves may come back. */
function imagesPrepared({ answer, images = [] }: Memory, order: Order): readonly string[] {
  return answer && isFor(order, answer) ? images : []
}

/** What cannot be asked for is pulled. */
async function imagesOf(planning: Planning, composing: Composing): Promise<ImagePlan> {
  const { memory, observation, order, plan, to } = composing
  const { engine, kubelet, observed } = observation
  if (!plan.target || !engine || plan.action !== 'DrainSwitch') return {}
  const endpoint = kubelet?.endpoint ?? endpointOf(engine)
  const none: ImagesInUse = { names: [], bytes: 0 }
  const used = await planning.imagesInUse(endpoint, imagesPrepared(memory, order)).catch(() => none)
  // The image of the proof is on a node whose agent runs from it, and on no other.
  const needed = [planning.embedded ? undefined : order.image, observed.sandboxImage].filter(
    (name) => name !== undefined,
  )
  const names = [...new Set([...needed, ...used.names])]
  const { host, stateFolder } = planning
  const hostAhead = to.staged ? ahead(host, to.staged) : host
  return planImages(
    { host, hostAhead },
    {
      from: engine.engine,
      to: to.engine,
      ...(to.staged && { staged: to.staged }),
      target: plan.target,
      names,
      bytes: used.bytes,
      stateFolder,
    },
  )
}

/** An engine that is left keeps its store. One that cannot tell what is in it is left all the same. */
async function left(
  { imageBytes }: Planning,
  { observation: { engine, kubelet }, plan }: Composing,
): Promise<Pick<Planned, 'reclaimableBytes'>> {
  if (!engine || plan.action !== 'DrainSwitch') return {}
  const reclaimableBytes = await imageBytes(kubelet?.endpoint ?? endpointOf(engine)).catch(() => undefined)
  return reclaimableBytes === undefined ? {} : { reclaimableBytes }
}

const noNetwork =
  'The network of pods is not proven, because there is no configuration of CNI on this machine yet: the pods of the proof run in the network of the host.'

const dependentNetwork = (plugin: string): string =>
  `The network of pods is not proven, because its plugin ${plugin} may need the API server or a pod of its own, which there is not while the kubelet rests: the pods of the proof run in the network of the host. A Node that is Ready and pods that start show it.`

interface ProofPart {
  readonly change: Pick<Change, 'archives' | 'isWithoutNetwork'>
  readonly notes: readonly string[]
}

/**
 * What the proof needs besides, and what it leaves out: it must ask nothing of a network that could not be had before the
 * change either, or the way back could not be proven.
 */
async function proofPart({ embedded, host }: Planning, { kubelet }: Observation): Promise<ProofPart> {
  const { archives = [] } = embedded ?? {}
  const networks = await detectCni(host)
  const [plugin] = networks.flatMap((file) => dependentPlugin(file) ?? [])
  const isAbsent = embedded !== undefined && kubelet === undefined && networks.length === 0
  const note = isAbsent ? noNetwork : plugin && dependentNetwork(plugin)
  return {
    change: { ...(archives.length > 0 && { archives }), ...(note && { isWithoutNetwork: true }) },
    notes: note ? [note] : [],
  }
}

/** Found out before anything is touched: it is needed when the kubelet rests already. */
async function missingArchive({ embedded, host }: Planning): Promise<Refusal | undefined> {
  for (const path of embedded?.archives ?? []) {
    if ((await host.realPath(path)) === undefined) {
      return { reason: 'ArchiveMissing', message: `there is no ${path}: correct --image-archive` }
    }
  }
  return undefined
}

async function composed(planning: Planning, composing: Composing): Promise<Planned | Refusal> {
  const { host } = planning
  const { memory, observation, plan, to } = composing
  const named = [...to.engine.units, ...(observation.engine?.engine.units ?? [])]
  const states = await statesOf(host, [...named, ...(memory.origin?.units ?? []).map(({ name }) => name)])
  const refusal =
    masked(states, sidesOf(composing, states).to.units) ??
    (await missingArchive(planning)) ??
    (await checkPlan(to.staged ? ahead(host, to.staged) : host, to, plan))
  if (refusal) return refusal
  const { archiveBytes, images, shown } = await imagesOf(planning, composing)
  const proof = await proofPart(planning, observation)
  const isToNone = to.engine.name === 'none'
  return {
    edits: plan.edits,
    changes: [...plan.changes],
    notes: [...plan.notes, ...(isToNone ? [] : proof.notes)],
    change: { ...changeOf(composing, states, images), ...(!isToNone && proof.change) },
    ...(shown && { images: shown }),
    ...(archiveBytes !== undefined && { archiveBytes }),
    ...(await left(planning, composing)),
  }
}

/** An engine that cannot be asked may run containers that nobody knows of. */
async function strangersOn(host: Host, engine: SourceEngine | undefined): Promise<readonly string[] | Refusal> {
  try {
    return (await engine?.strangers(host)) ?? []
  } catch (error) {
    if (error instanceof Refused) return error.refusal
    throw error
  }
}

export function planner(planning: Planning): Plan {
  const { host } = planning
  const plan = async (observation: Observation, order: Order, pasts: Pasts, memory: Memory) => {
    const { engine } = observation
    const to = order.target
      ? await wanted(planning, order.target, pasts)
      : await original(planning, memory, observation)
    if (to && isRefusal(to)) return to
    const strangers = order.target ? await strangersOn(host, engine?.engine) : []
    if (isRefusal(strangers)) return strangers
    const plan = planNode({
      observation,
      to,
      target: order.target && withPrograms(order.target),
      heritage: heritageOf(memory, observation),
      pasts,
      files: await bytesOf(host, [...pasts.keys(), crictlPath]),
      networks: await detectCni(host),
      restoresPackages: !order.target && memory.packages !== undefined,
      strangers,
    })
    if (isRefusal(plan)) return plan
    // Planning refuses a host without one.
    if (!to) throw new Error('This node has no engine that Drydock could change.')
    return composed(planning, { order, memory, observation, to, plan })
  }
  return async (order, pasts, memory) => {
    const observation = await observe(host, { isEmbedded: planning.embedded !== undefined })
    const planned = await plan(observation, order, pasts, memory)
    return { observed: observation.observed, plan: isRefusal(planned) ? told(order, planned) : planned }
  }
}

/** Nothing is changed: the engine of the node is proven as it is, with what Drydock has proven there before. */
export function prover(planning: Planning): Plan {
  const { host } = planning
  return async (order, _pasts, memory) => {
    const observation = await observe(host, { isEmbedded: planning.embedded !== undefined })
    const { engine: to, observed } = observation
    const refusal = observation.refusal ?? (await missingArchive(planning))
    if (refusal) return { observed, plan: refusal }
    if (!to) return { observed, plan: { reason: 'EngineUnknown', message: 'there is no engine on this machine' } }
    const states = await statesOf(host, to.engine.units)
    const plan = { edits: [], changes: [], notes: [], action: 'None', target: order.target } as const
    const { change: more, notes } = await proofPart(planning, observation)
    const change = changeOf({ memory, observation, order, plan, to }, states, undefined)
    const wanted = change.former ?? change.wanted
    return { observed, plan: { edits: [], changes: [], notes: [...notes], change: { ...change, wanted, ...more } } }
  }
}
