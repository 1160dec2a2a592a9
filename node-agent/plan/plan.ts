/** Pure: what must change on a node for it to meet a target, or to be what it was before Drydock. */

import { renderCni } from '../cni/render.ts'
import { crictlPath, renderCrictl } from '../crictl/render.ts'
import {
  type Action,
  type Engine,
  type FileEdit,
  isRefusal,
  type Refusal,
  type SourceEngine,
  type Target,
} from '../engines/engine.ts'
import { orRefusal, Refused, sameBytes } from '../engines/refused.ts'
import { isVersion } from '../engines/version.ts'
import { filesOf } from '../kubelet/kubelet.ts'
import { removedFlags, renderKubelet } from '../kubelet/render.ts'
import { unifiedDiff } from './diff.ts'
import { isOlder } from './older.ts'
import { leftBehind, restoredAll } from './restored.ts'
import { checkStrangers } from './strangers.ts'
import type { EngineAhead, Heritage, Plan, PlanInput } from './types.ts'

const harshness: readonly Action[] = ['None', 'Restart', 'DrainRestart', 'DrainSwitch']

/** As many as a status takes. */
const maxChanges = 16

export function planNode(input: PlanInput): Plan | Refusal {
  return orRefusal(() => {
    checkNode(input)
    const to = aheadOf(input)
    const target = input.target && inherited(input.target, input.heritage)
    const own = target ? targetEdits(input, to, target) : []
    const edits = [...own, ...(target ? leftBehind(input, to) : restoredAll(input))]
    return {
      edits,
      action: actionOf(input, to, edits),
      changes: edits.slice(0, maxChanges).map((edit) => ({ path: edit.path, diff: unifiedDiff(edit) })),
      notes: notesOf(input, to),
      target,
    }
  })
}

/** Whether the node gets another engine. */
function isExchange({ observation }: PlanInput, { engine }: EngineAhead): boolean {
  return observation.engine?.engine.name !== engine.name
}

function checkNode({ observation, target }: PlanInput): void {
  const { engine, isVacant, refusal } = observation
  if (isVacant && target) return
  if (refusal) throw new Refused(refusal.reason, refusal.message)
  if (!engine) throw new Refused('EngineUnknown', 'this node has no engine that Drydock can change')
}

function aheadOf({ heritage, observation, target, to }: PlanInput): EngineAhead {
  const engine = observation.observed.engine?.name
  if (!to && !target && heritage.engine === 'none') {
    throw new Refused(
      'EngineNeeded',
      'the node had no engine before Drydock, and its kubelet needs one: take the node out of its cluster (kubeadm reset) first',
    )
  }
  if (to) {
    if (target) checkVersions(to, target, observation.observed.cgroup?.version)
    if (to.found.refusal) throw new Refused(to.found.refusal.reason, to.found.refusal.message)
    return to
  }
  if (!target) {
    throw new Refused(
      'EngineGone',
      `the node ran another engine than ${engine} before Drydock, and that one is no longer installed: install it again`,
    )
  }
  const { name } = target.engine
  throw new Refused(
    'EngineDiffers',
    `the node runs ${engine}, and ${name} is not on it: write spec.engine.source (package or archive) to have Drydock install it, or install it`,
  )
}

function checkVersions({ found, staged }: EngineAhead, { engine, cgroupVersion }: Target, cgroup = ''): void {
  const version = staged?.version ?? found.observed.engine?.version
  if (engine.version !== undefined && !isVersion(version, engine.version)) {
    const how = staged
      ? 'correct spec.engine.source, or spec.engine.version'
      : 'write spec.engine.source (package or archive) to have Drydock install it, or leave spec.engine.version out'
    throw new Refused(
      'EngineVersionDiffers',
      `the node has ${engine.name} ${version}, the profile asks for ${engine.version}: ${how}`,
    )
  }
  if (cgroupVersion !== undefined && cgroupVersion !== cgroup) {
    throw new Refused(
      'CgroupVersionDiffers',
      `the node has cgroup ${cgroup}, the profile asks for ${cgroupVersion}: this version of Drydock does not change boot parameters; change them and reboot, or leave spec.cgroupVersion out`,
    )
  }
}

/**
 * What a target leaves open stays as it is on the node, on another engine too: the kubelet's cgroup driver, and the pause
 * image, which a mirror or an air gap may have made the only one to be had.
 */
function inherited(target: Target, { engine, cgroupDriver, sandboxImage }: Heritage): Target {
  if (engine === target.engine.name) return target
  return { ...(cgroupDriver && { cgroupDriver }), ...(sandboxImage !== undefined && { sandboxImage }), ...target }
}

function isEngine(engine: SourceEngine): engine is Engine {
  return 'render' in engine
}

function targetEdits(input: PlanInput, to: EngineAhead, target: Target): readonly FileEdit[] {
  const { observation, pasts } = input
  const { engine, found, staged } = to
  if (!isEngine(engine)) throw new Refused('EngineNotSupported', `Drydock does not move nodes to ${engine.name}`)
  if (isExchange(input, to)) checkStrangers(input, target)
  const { kubelet } = observation
  const endpoint = isExchange(input, to) ? endpointOf(to) : undefined
  return [
    ...orThrow(engine.render(found, target, pasts)),
    ...(staged?.files ?? []),
    ...(kubelet ? orThrow(renderKubelet(kubelet, { driver: target.cgroupDriver, endpoint }, pasts)) : []),
    ...(endpoint === undefined && !pasts.has(crictlPath) ? [] : crictlEdits(input, endpoint)),
    ...(endpoint === undefined ? [] : renderCni(input.networks, pasts)),
  ].filter(({ before, after }) => !sameBytes(before, after))
}

/** People and their scripts look into the node by it: it follows the kubelet. */
function crictlEdits({ files, observation, pasts }: PlanInput, endpoint?: string): readonly FileEdit[] {
  const at = endpoint ?? observation.kubelet?.endpoint
  const file = { path: crictlPath, bytes: files.get(crictlPath) }
  return at === undefined ? [] : orThrow(renderCrictl(file, at, pasts))
}

/** Where the kubelet is to find the engine. */
export function endpointOf({ engine, found }: EngineAhead): string {
  const socket = found.observed.engine?.socket
  if (socket === undefined) return engine.endpoint
  return socket.includes('://') ? socket : `unix://${socket}`
}

function actionOf(input: PlanInput, to: EngineAhead, edits: readonly FileEdit[]): Action {
  if (isExchange(input, to)) return 'DrainSwitch'
  const { kubelet } = input.observation
  const { engine, found, staged } = to
  const kubeletFiles = kubelet ? filesOf(kubelet).map(({ path }) => path) : []
  const actions: Action[] = [isEngine(engine) ? engine.action(found, edits) : 'None']
  // The kubelet's only setting here is the cgroup driver, and no pod outlives a change of that.
  if (edits.some(({ path }) => kubeletFiles.includes(path))) actions.push('DrainRestart')
  const changesPackages = staged?.packages !== undefined || input.restoresPackages
  const isOther = changesPackages || edits.some(({ path }) => path.startsWith('/etc/systemd/system/'))
  if (isOther) actions.push('Restart')
  if (isOther && isStepBack(input, to)) actions.push('DrainRestart')
  return harshest(actions)
}

/** An older engine may not be able to handle pods that a newer one has made. */
function isStepBack({ observation, target }: PlanInput, { found, staged }: EngineAhead): boolean {
  const version = staged?.version ?? found.observed.engine?.version
  return target === undefined || isOlder(version, observation.engine?.found.observed.engine?.version)
}

function notesOf(input: PlanInput, to: EngineAhead): readonly string[] {
  const { observation, strangers, target } = input
  if (!target) return []
  const endpoint = isExchange(input, to) ? endpointOf(to) : undefined
  const flags = observation.kubelet ? removedFlags(observation.kubelet, endpoint) : []
  const isStopped = isExchange(input, to) && target.migration?.previousEngine !== 'keep' && strangers.length > 0
  const stops = `These containers stop with ${observation.observed.engine?.name}: ${strangers.join(', ')}.`
  return [...flags, ...(isStopped ? [stops.slice(0, 512)] : [])]
}

function orThrow(edits: readonly FileEdit[] | Refusal): readonly FileEdit[] {
  if (isRefusal(edits)) throw new Refused(edits.reason, edits.message)
  return edits
}

function harshest(actions: readonly Action[]): Action {
  return actions.reduce((a, b) => (harshness.indexOf(b) > harshness.indexOf(a) ? b : a), 'None')
}
