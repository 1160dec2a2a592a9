/**
 * Abort: the way out in a hurry. It is an annotation and no field, because a tool that keeps the profile as it is in
 * git would take a field back at once.
 */
import { annotations } from '../../crds/protocol.ts'
import type { NodeRuntime, RuntimeProfile } from '../../crds/types.gen.ts'
import { answerOf } from './answer.ts'
import { gaveUpOf } from './marks.ts'
import type { Known, Reason } from './types.ts'

export const aborted = 'Aborted'

/** No node starts, and whatever is not committed yet goes back. */
export const isAborted = ({ metadata }: RuntimeProfile): boolean =>
  metadata.annotations?.[annotations.abort] !== undefined

export const abortStop = ({ metadata }: RuntimeProfile): Reason => ({
  reason: aborted,
  message: `The rollout was aborted: remove the annotation ${annotations.abort} of RuntimeProfile ${metadata.name} to go on`,
})

export const abortBack = (node: string): Reason => ({
  reason: aborted,
  message: `${node} was not changed: the rollout was aborted before its change was committed`,
})

/** Its switch was permitted, nothing is committed, and it does not go back yet. */
export const mustGoBack = ({ runtime }: Known, profile: RuntimeProfile): boolean =>
  isAborted(profile) && runtime.spec?.permit === 'Switch' && answerOf(runtime)?.phase !== 'RollingBack'

/** Its present order ended because the rollout was aborted: that is no failure of the node. A lost node is one all the same. */
export function wasAborted(runtime: NodeRuntime): boolean {
  const { revision, attempt, reason } = gaveUpOf(runtime) ?? {}
  const isOwn = revision === runtime.spec?.revision && attempt === runtime.spec?.attempt
  return isOwn && reason === aborted && answerOf(runtime)?.phase !== 'Failed'
}
