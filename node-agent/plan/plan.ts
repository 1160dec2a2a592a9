/** Pure: what must change on a node for it to meet a target, or to be what it was before Drydock. */
import { type Action, type FileEdit, isRefusal, type Refusal, type Target } from '../engines/engine.ts'
import { orRefusal, Refused, sameBytes } from '../engines/refused.ts'
import { renderKubelet } from '../kubelet/render.ts'
import { firstDifference, unifiedDiff } from './diff.ts'
import type { Plan, PlanInput } from './types.ts'

const harshness: readonly Action[] = ['None', 'Restart', 'DrainRestart']

export function planNode(input: PlanInput): Plan | Refusal {
  return orRefusal(() => {
    const { observation, target, pasts } = input
    const { engine, refusal } = observation
    if (refusal) throw new Refused(refusal.reason, refusal.message)
    if (!engine) throw new Refused('EngineUnknown', 'this node has no engine that Drydock can change')
    const edits = target
      ? targetEdits(input, engine, target)
      : [...pasts.keys()].flatMap((path) => restored(input, path))
    const own = engine.found.configFiles[0].path
    const actions: Action[] = [engine.engine.action(engine.found, edits)]
    // The kubelet's only setting here is the cgroup driver, and no pod outlives a change of that.
    if (edits.some(({ path }) => path !== own)) actions.push('DrainRestart')
    return {
      edits,
      action: harshest(actions),
      changes: edits.map((edit) => ({ path: edit.path, diff: unifiedDiff(edit) })),
    }
  })
}

type EngineHere = NonNullable<PlanInput['observation']['engine']>

function targetEdits(
  { observation, pasts }: PlanInput,
  { engine, found }: EngineHere,
  target: Target,
): readonly FileEdit[] {
  checkVersions(observation.observed, target)
  const { kubelet } = observation
  return [
    ...orThrow(engine.render(found, target, pasts)),
    ...(kubelet ? orThrow(renderKubelet(kubelet, { driver: target.cgroupDriver, endpoint: undefined }, pasts)) : []),
  ]
}

/** The original bytes, unless somebody has changed since what Drydock wrote: then only that person knows what is wanted. */
function restored({ observation, pasts }: PlanInput, path: string): FileEdit[] {
  const past = pasts.get(path)!
  const now = currentBytes(observation, path)
  if (now === unknownFile) {
    throw new Refused(
      'FileUnknown',
      `${path}, which Drydock changed, is no longer a file of this node's engine or kubelet: restore it by hand`,
    )
  }
  if (sameBytes(now, past.original)) return []
  if (!sameBytes(now, past.written)) {
    const what = now === undefined ? 'is gone' : `differs from it in line ${firstDifference(now, past.written)}`
    throw new Refused(
      'FileEditedSince',
      `${path} is no longer what Drydock wrote (it ${what}), so putting the original back would lose that change: undo the change, or take Drydock's own settings out by hand`,
    )
  }
  return [{ path, before: now, after: past.original, original: past.original }]
}

const unknownFile = Symbol('a file that nobody on this node reads')

function currentBytes(
  { engine, kubelet }: PlanInput['observation'],
  path: string,
): Buffer | undefined | typeof unknownFile {
  const files = [
    ...(engine?.found.configFiles ?? []),
    ...(kubelet?.configFile ? [kubelet.configFile] : []),
    ...(kubelet?.environmentFiles ?? []),
  ]
  const file = files.find((each) => each.path === path)
  return file ? file.bytes : unknownFile
}

function checkVersions({ engine, cgroup }: PlanInput['observation']['observed'], target: Target): void {
  const changes = 'this version of Drydock does not'
  if (engine?.name !== target.engine.name) {
    throw new Refused(
      'EngineDiffers',
      `the node runs ${engine?.name}, the profile asks for ${target.engine.name}: ${changes} exchange engines`,
    )
  }
  const { version } = target.engine
  if (version !== undefined && !isVersion(engine.version, version)) {
    throw new Refused(
      'EngineVersionDiffers',
      `the node has ${engine.name} ${engine.version}, the profile asks for ${version}: ${changes} install engines; install that version, or leave spec.engine.version out`,
    )
  }
  if (target.cgroupVersion !== undefined && target.cgroupVersion !== cgroup?.version) {
    throw new Refused(
      'CgroupVersionDiffers',
      `the node has cgroup ${cgroup?.version}, the profile asks for ${target.cgroupVersion}: ${changes} change boot parameters; change them and reboot, or leave spec.cgroupVersion out`,
    )
  }
}

/** "2.3" asks for any 2.3.x; "1.6.20" for 1.6.20 in any build, such as 1.6.20~ds1. */
function isVersion(found: string | undefined, wanted: string): boolean {
  const exact = wanted.replace(/^v/, '')
  return found === exact || (found?.startsWith(exact) === true && /[.~+-]/.test(found[exact.length]!))
}

function orThrow(edits: readonly FileEdit[] | Refusal): readonly FileEdit[] {
  if (isRefusal(edits)) throw new Refused(edits.reason, edits.message)
  return edits
}

function harshest(actions: readonly Action[]): Action {
  return actions.reduce((a, b) => (harshness.indexOf(b) > harshness.indexOf(a) ? b : a), 'None')
}
