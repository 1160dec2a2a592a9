/** Pure: from a plan to the change that the journal records, with all that its undoing needs to know. */
import type { Observation } from '../detect/observation.ts'
import type { Observed, Side, Target } from '../engines/engine.ts'
import type { UnitState } from '../host/host.ts'
import type { Memory, Origin } from '../journal/memory.ts'
import type { Change, Expectation, Order } from '../journal/records.ts'
import { endpointOf } from '../plan/plan.ts'
import type { EngineAhead, Plan } from '../plan/types.ts'
import { mergedPackages } from '../sources/packages/merged.ts'
import type { Planned } from './prepare.ts'
import { unitChanges } from './unit-changes.ts'

export interface Composing {
  readonly order: Order
  readonly memory: Memory
  readonly observation: Observation
  readonly to: EngineAhead
  readonly plan: Plan
}

export interface Sides {
  readonly from: Side
  readonly to: Side
}

type States = ReadonlyMap<string, UnitState>

const isLoaded = (states: States, name: string): boolean => states.get(name)?.loadState === 'loaded'

function fromSide({ observation: { engine, kubelet }, to }: Composing, states: States): Side {
  const endpoint = kubelet?.endpoint ?? endpointOf(engine ?? to)
  if (!engine) return { name: 'none', units: [], endpoint }
  const { name, units } = engine.engine
  const { version } = engine.found.observed.engine ?? {}
  return {
    name,
    units: units.filter((unit) => isLoaded(states, unit)),
    endpoint,
    ...(version && { version }),
    ...(endpoint.endsWith('/dockershim.sock') && { isInKubelet: true }),
  }
}

/** The program of before Drydock is not brought back: the one that runs stays, whichever the distribution has by now. */
function keepsProgram({ memory, observation, plan }: Composing, { name, units }: Side): boolean {
  const isUnitFile = (path: string): boolean => units.some((unit) => path.includes(`/${unit}`))
  const isSame = name === observation.engine?.engine.name && memory.packages === undefined
  return isSame && !plan.edits.some(({ path }) => isUnitFile(path))
}

function originalSide(composing: Composing, { side }: Origin): Side {
  if (!keepsProgram(composing, side)) return side
  const { version: _, ...rest } = side
  const { version } = composing.to.found.observed.engine ?? {}
  return { ...rest, ...(version && { version }) }
}

/** The units that are there; those of an engine that is still to be installed all of them. */
function toSide(composing: Composing, states: States): Side {
  const { memory, observation, order, to } = composing
  const { engine, found, staged } = to
  const { origin } = memory
  if (!order.target && origin && origin.side.name !== 'none') return originalSide(composing, origin)
  const version = staged?.version ?? found.observed.engine?.version
  const isSame = engine.name === observation.engine?.engine.name
  const there = engine.units.filter((unit) => isLoaded(states, unit))
  return {
    name: engine.name,
    units: there.length > 0 ? there : engine.units,
    endpoint: (isSame && observation.kubelet?.endpoint) || endpointOf(to),
    ...(version && { version }),
  }
}

export function sidesOf(composing: Composing, states: States): Sides {
  return { from: fromSide(composing, states), to: toSide(composing, states) }
}

type Handlers = Expectation['handlers']

function defaultHandler({
  handlers = [],
}: {
  readonly handlers?: NonNullable<Observed['handlers']> | Handlers
}): Handlers {
  const found = handlers.find((handler) => handler.default)
  return found ? [{ name: found.name, default: true }] : []
}

/** An engine that names no handler has one all the same: the one that pods without a RuntimeClass get. */
const unnamed: Handlers = [{ name: 'default', default: true }]

/**
 * The node as it is. Of the handlers only those that Drydock has proven before and the default one: what else is in the
 * file may have been broken all along, and is nobody's reason to call a rollback failed.
 */
function formerOf(observed: Observed, { current }: Memory): Expectation {
  const found = new Set(observed.handlers?.map(({ name }) => name))
  const proven = (current?.handlers ?? []).filter((handler) => found.has(handler.name) && !handler.default)
  const { engineDriver = 'cgroupfs', kubeletDriver, version = 'v1' } = observed.cgroup ?? {}
  const [standard = unnamed[0]!] = defaultHandler(observed)
  const handlers = [standard, ...proven.filter(({ name }) => name !== standard.name)]
  return { handlers, cgroupDriver: engineDriver, cgroupVersion: version, ...(kubeletDriver && { kubeletDriver }) }
}

type Drivers = Pick<Expectation, 'cgroupDriver' | 'kubeletDriver'>

function driversOf(
  asked: Target['cgroupDriver'],
  { named, origin }: Memory,
  { kubelet }: Observation,
): Drivers | undefined {
  if (asked) return { cgroupDriver: asked, ...(kubelet && { kubeletDriver: asked }) }
  if (!named?.cgroupDriver || !origin?.proof) return undefined
  const { cgroupDriver, kubeletDriver } = origin.proof
  return { cgroupDriver, ...(kubeletDriver && { kubeletDriver }) }
}

/** What the target leaves open is as it was found, or, where the order before named it, as it was before Drydock. */
function wantedOf({ memory, observation, plan, to }: Composing): Expectation {
  const former = formerOf(observation.observed, memory)
  const { target } = plan
  const { named, origin } = memory
  if (!target) return origin?.proof ?? former
  const asked = (target.handlers ?? []).map(({ name, default: isDefault }) => ({ name, default: isDefault }))
  const original = named?.defaultHandler && origin?.side.name === to.engine.name ? origin.proof : undefined
  // Pods without a RuntimeClass must still run when the order only adds a handler: a wrong merge loses the default one.
  const kept = asked.some((handler) => handler.default) ? [] : defaultHandler(original ?? to.found.observed)
  const handlers = [...asked.filter(({ name }) => !kept.some((handler) => handler.name === name)), ...kept]
  return {
    ...former,
    handlers: handlers.length > 0 ? handlers : unnamed,
    ...driversOf(target.cgroupDriver, memory, observation),
  }
}

function packagesOf({ memory, order, to }: Composing): Change['packages'] {
  if (order.target)
    return (
      to.staged?.packages && {
        act: 'install',
        change: to.staged.packages,
        taken: mergedPackages(memory.packages, to.staged.packages),
      }
    )
  return memory.packages && { act: 'restore', change: memory.packages }
}

function previousOf(target: Target | undefined): 'keep' | 'disable' {
  return target?.migration?.previousEngine === 'keep' ? 'keep' : 'disable'
}

export function changeOf(composing: Composing, states: States, images: Change['images']): Planned['change'] {
  const { memory, observation, order, plan } = composing
  const { kubelet, observed } = observation
  const { from, to } = sidesOf(composing, states)
  const origin = order.target ? undefined : memory.origin
  const packages = packagesOf(composing)
  const { sandboxImage } = observed
  return {
    action: plan.action,
    from,
    to,
    units: unitChanges({ from, to, states, previous: previousOf(order.target), ...(origin && { origin }) }),
    ...(packages && { packages }),
    ...(images && { images }),
    ...(kubelet && { kubeletUnit: kubelet.unit, healthz: kubelet.healthz }),
    image: order.image ?? '',
    wanted: wantedOf(composing),
    ...(from.name !== 'none' && !from.isInKubelet && { former: formerOf(observed, memory) }),
    ...(sandboxImage !== undefined && { sandboxImage }),
  }
}
