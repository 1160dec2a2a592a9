/** Everything that can be found out about a plan before anything live is touched. */
import type { Refusal, Target } from '../engines/engine.ts'
import { withStaged } from '../engines/staged.ts'
import type { Host } from '../host/host.ts'
import type { Plan } from '../plan/types.ts'
import type { Observation } from './observation.ts'

/** Why the plan cannot be carried out on this host; undefined: nothing speaks against it. */
export async function checkPlan(
  host: Host,
  { engine }: Observation,
  plan: Plan,
  target: Target | undefined,
): Promise<Refusal | undefined> {
  const own = engine?.found.configFiles[0].path
  for (const edit of plan.edits) {
    if (edit.path === own) continue
    const refusal = await withStaged(host, edit, async () => undefined)
    if (refusal) return refusal
  }
  return engine?.engine.validate(host, engine.found, plan.edits, target)
}
