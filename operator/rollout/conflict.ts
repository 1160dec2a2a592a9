import type { NodeRuntime, RuntimeProfile } from '../../crds/types.gen.ts'
import { selects } from './selector.ts'
import type { Intent, NodeView } from './types.ts'

/**
 * What the profile wants of a node, or undefined when it has nothing to do with it.
 *
 * | selected by (profiles that are not being deleted) | it wants |
 * |---|---|
 * | this profile alone | the target |
 * | this profile and others | nothing: the node stays as it is |
 * | another one alone, and this profile gave the last order | nothing: it only stays until the other has given its own |
 * | several others, and this profile gave the last order | nothing, but it stays answerable for the node |
 * | none, and this profile gave the last order | what was there before Drydock |
 * | none, and this profile is being deleted and would select it: a Node registered anew, its host changed | what was there before Drydock |
 */
export function intentOf(
  profile: RuntimeProfile,
  profiles: readonly RuntimeProfile[],
  { labels }: NodeView,
  runtime: NodeRuntime | undefined,
): Intent | undefined {
  const { name, deletionTimestamp } = profile.metadata
  const selecting = profiles
    .filter(({ metadata, spec }) => !metadata.deletionTimestamp && selects(spec.nodeSelector, labels))
    .map(({ metadata }) => metadata.name)
  const isSelected = selecting.includes(name)
  const others = selecting.filter((other) => other !== name).sort()
  if (isSelected) return others.length === 0 ? { kind: 'target' } : { kind: 'hold', others }
  const isOrphan = runtime?.spec?.profile === undefined && runtime?.status?.changed === true && others.length === 0
  if (isOrphan && deletionTimestamp && selects(profile.spec.nodeSelector, labels)) return { kind: 'original' }
  if (runtime?.spec?.profile !== name) return undefined
  const [other] = others
  if (other !== undefined && others.length === 1) return { kind: 'handOver', to: other }
  return others.length === 0 ? { kind: 'original' } : { kind: 'hold', others }
}
