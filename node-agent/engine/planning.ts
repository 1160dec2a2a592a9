/** Detection and planning, brought together for one order. */

import { finalizer } from '../../crds/protocol.ts'
import { checkPlan } from '../detect/check.ts'
import type { Observation } from '../detect/observation.ts'
import { observe } from '../detect/observe.ts'
import { type Action, isRefusal, type Observed, type Refusal, type Side } from '../engines/engine.ts'
import type { Host } from '../host/host.ts'
import type { Memory } from '../journal/memory.ts'
import type { Expectation, Order } from '../journal/records.ts'
import { planNode } from '../plan/plan.ts'
import type { Plan, Planned } from './prepare.ts'

type Handlers = Expectation['handlers']

function defaultHandler({ handlers = [] }: Observed): Handlers {
  const found = handlers.find((handler) => handler.default)
  return found ? [{ name: found.name, default: true }] : []
}

/**
 * The node as it is. Of the handlers only those that Drydock has proven before and the default one: what else is in the
 * file may have been broken all along, and is nobody's reason to call a rollback failed.
 */
function formerOf(observed: Observed, { current }: Memory): Expectation {
  const found = new Set(observed.handlers?.map(({ name }) => name))
  const proven = (current?.handlers ?? []).filter((handler) => found.has(handler.name) && !handler.default)
  const { engineDriver = 'cgroupfs', kubeletDriver, version = 'v1' } = observed.cgroup ?? {}
  const handlers = [
    ...defaultHandler(observed),
    ...proven.filter(({ name }) => name !== defaultHandler(observed)[0]?.name),
  ]
  return { handlers, cgroupDriver: engineDriver, cgroupVersion: version, ...(kubeletDriver && { kubeletDriver }) }
}

function wantedOf({ target }: Order, observed: Observed, memory: Memory): Expectation {
  const former = formerOf(observed, memory)
  if (!target) return memory.origin ?? former
  const asked = (target.handlers ?? []).map(({ name, default: isDefault }) => ({ name, default: isDefault }))
  // Pods without a RuntimeClass must still run when the order only adds a handler: a wrong merge loses the default one.
  const kept = asked.some((handler) => handler.default) ? [] : defaultHandler(observed)
  const handlers = [...asked.filter(({ name }) => !kept.some((handler) => handler.name === name)), ...kept]
  const driver = target.cgroupDriver
  return { ...former, handlers, ...(driver && { cgroupDriver: driver, kubeletDriver: driver }) }
}

function changeOf(order: Order, observation: Observation, memory: Memory, action: Action): Planned['change'] {
  const { engine, kubelet, observed } = observation
  // Planning refuses a host without them.
  if (!engine || !kubelet) throw new Error('This node has no kubelet and engine that Drydock could change.')
  const { name, units } = engine.engine
  const { version } = engine.found.observed.engine ?? {}
  const side: Side = { name, units, endpoint: kubelet.endpoint, ...(version !== undefined && { version }) }
  return {
    action,
    from: side,
    to: side,
    kubeletUnit: kubelet.unit,
    healthz: kubelet.healthz,
    image: order.image ?? '',
    wanted: wantedOf(order, observed, memory),
    former: formerOf(observed, memory),
  }
}

/** A profile is not let go of before its nodes have their files back: a person who does not want them back must know how. */
function told({ target }: Order, { reason, message }: Refusal): Refusal {
  if (target) return { reason, message }
  const how = `to keep what the node runs now, remove the finalizer ${finalizer} of the profile`
  return { reason, message: `what the node ran before Drydock cannot be put back: ${message}; or, ${how}` }
}

export function planner(host: Host): Plan {
  return async (order, pasts, memory) => {
    const observation = await observe(host)
    const { observed } = observation
    const plan = planNode({ observation, target: order.target, pasts })
    if (isRefusal(plan)) return { observed, plan: told(order, plan) }
    const refusal = await checkPlan(host, observation, plan, order.target)
    if (refusal) return { observed, plan: told(order, refusal) }
    const { edits, changes, action } = plan
    return { observed, plan: { edits, changes: [...changes], change: changeOf(order, observation, memory, action) } }
  }
}
