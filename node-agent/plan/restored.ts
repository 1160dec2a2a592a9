/** Pure: files that are as they were before Drydock again. */
import type { FileEdit } from '../engines/engine.ts'
import { Refused, sameBytes } from '../engines/refused.ts'
import { firstDifference } from './diff.ts'
import type { EngineAhead, PlanInput } from './types.ts'

export function restoredAll(input: PlanInput): readonly FileEdit[] {
  return [...input.pasts.keys()].flatMap((path) => restored(input, path))
}

/** What Drydock wrote for an engine that the node leaves goes with it, unless that engine is left to others. */
export function leftBehind(input: PlanInput, to: EngineAhead): readonly FileEdit[] {
  const { observation, pasts, target } = input
  const { engine, found } = observation.engine ?? {}
  if (!engine || !found || engine.name === to.engine.name) return []
  if (target?.migration?.previousEngine === 'keep') return []
  const files = found.configFiles.map(({ path }) => path)
  const units = engine.units.map((unit) => `/etc/systemd/system/${unit}`)
  const isIts = (path: string): boolean =>
    files.includes(path) || units.some((unit) => path === unit || path.startsWith(`${unit}.d/`))
  return [...pasts.keys()].filter(isIts).flatMap((path) => restored(input, path))
}

/** The original bytes, unless somebody has changed since what Drydock wrote: then only that person knows what is wanted. */
function restored({ pasts, files }: PlanInput, path: string): FileEdit[] {
  const past = pasts.get(path)!
  const now = files.get(path)
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
