/** A failing script with as little in it as still fails in the same way. */
import type { Mutant } from './fleet.ts'
import type { Script } from './script.ts'
import { type Result, run } from './world.ts'

export interface Shrunk {
  readonly script: Script
  /** Places of the faults that are left, in the script of the seed. */
  readonly kept: readonly number[]
  readonly result: Result
}

/** The faults at these places, on the first so many nodes. */
export function partOf(script: Script, kept: readonly number[], nodes = script.nodes.length): Script {
  return { ...script, nodes: script.nodes.slice(0, nodes), faults: kept.map((index) => script.faults[index]!) }
}

export async function shrink(script: Script, failing: Result, mutant?: Mutant): Promise<Shrunk> {
  const { invariant } = failing.violation!
  let kept = script.faults.map((_, index) => index)
  let result = failing
  const fails = async (candidate: readonly number[]): Promise<boolean> => {
    const tried = await run(partOf(script, candidate), mutant)
    if (tried.violation?.invariant !== invariant) return false
    result = tried
    return true
  }
  for (let isSmaller = true; isSmaller; ) {
    isSmaller = false
    for (const index of kept.toReversed()) {
      const candidate = kept.filter((other) => other !== index)
      if (!(await fails(candidate))) continue
      kept = candidate
      isSmaller = true
    }
  }
  return { script: partOf(script, kept), kept, result }
}
