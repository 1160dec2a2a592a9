/** Everything that can be found out about a plan before anything live is touched. */

import type { Refusal } from '../engines/engine.ts'
import { engineByName } from '../engines/index.ts'
import { lockedFile, withStaged } from '../engines/staged.ts'
import type { Host } from '../host/host.ts'
import type { EngineAhead, Plan } from '../plan/types.ts'

/** Why the plan cannot be carried out on this host; undefined: nothing speaks against it. */
export async function checkPlan(host: Host, { engine, found }: EngineAhead, plan: Plan): Promise<Refusal | undefined> {
  const own = found.configFiles[0].path
  for (const edit of plan.edits) {
    const locked = await lockedFile(host, edit.path)
    if (locked) return locked
    if (edit.path === own) continue
    const refusal = await withStaged(host, edit, async () => undefined)
    if (refusal) return refusal
  }
  return engineByName(engine.name)?.validate(host, found, plan.edits, plan.target)
}
