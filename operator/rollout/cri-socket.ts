/**
 * kubeadm notes the endpoint of the kubelet on the Node, and its next upgrade would write that endpoint back into the
 * kubelet's flags: a note that names the former engine undoes the change.
 */
import { annotations, criSocketAnnotation, originalRevision } from '../../crds/protocol.ts'
import { answerOf } from './answer.ts'
import type { AnnotationChanges, Known } from './types.ts'

/** What has to change on the Node now that its order has committed; undefined when nothing has. */
export function criSocketChanges({ node, runtime }: Known): AnnotationChanges | undefined {
  const { criSocket, formerCriSocket } = node
  if (runtime.spec?.revision === originalRevision) return restored(node)
  const endpoint = answerOf(runtime)?.observed?.engine?.socket
  if (criSocket === undefined || endpoint === undefined || pathOf(endpoint) === pathOf(criSocket)) return undefined
  return { [criSocketAnnotation]: endpoint, [annotations.formerCriSocket]: formerCriSocket ?? criSocket }
}

/** A Node that has no note any more, because a newer kubeadm took it away, gets none. */
function restored({ criSocket, formerCriSocket }: Known['node']): AnnotationChanges | undefined {
  if (formerCriSocket === undefined) return undefined
  return {
    ...(criSocket !== undefined && { [criSocketAnnotation]: formerCriSocket }),
    [annotations.formerCriSocket]: null,
  }
}

/** Written with and without a scheme, and below /var/run, which leads to /run. */
const pathOf = (endpoint: string): string => endpoint.replace(/^unix:\/\//, '').replace(/^\/var\/run\//, '/run/')
