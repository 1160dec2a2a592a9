import type { NodeRuntime, RuntimeProfile } from '../../crds/types.gen.ts'
import { selects } from './selector.ts'
import type { NodeView } from './types.ts'

/**
 * Whether a node with the startup taint goes into service as it is: no profile selects it, or has to do with it still.
 * Only once it is Ready: some labels come a moment after the registration, and a profile may select by them.
 */
export function isAdmitted(
  { startupTaint, ready, deleting, labels }: NodeView,
  runtime: NodeRuntime | undefined,
  profiles: readonly RuntimeProfile[],
): boolean {
  if (!startupTaint || !ready || deleting || runtime?.spec?.profile !== undefined) return false
  return !profiles.some(({ spec }) => selects(spec.nodeSelector, labels))
}
