/** The agent's DaemonSet, from the manifest that was synthesised when the project was built. Pure. */
import { createHash } from 'node:crypto'
import { labels, managedByValue } from '../../../crds/protocol.ts'
import type { KubeObject } from '../../../kube/resource.ts'

export interface DaemonSetObject extends KubeObject {
  spec?: { template?: { spec?: PodSpec } }
}

interface PodSpec {
  containers?: { name?: string; image?: string }[]
  initContainers?: { name?: string; image?: string }[]
}

/** What was applied last: an unchanged manifest is not applied again, which would be a write. */
export const manifestAnnotation = 'drydock.dev/manifest'

/**
 * The DaemonSet of the manifest (one object, or a list that holds one) in this namespace, every container with this
 * image. Throws when there is no DaemonSet in it.
 */
export function daemonSetOf(manifest: unknown, { image, namespace }: { image: string; namespace: string }) {
  const objects = (Array.isArray(manifest) ? manifest : [manifest]) as DaemonSetObject[]
  const found = objects.find(({ kind }) => kind === 'DaemonSet')
  if (!found) throw new Error('the agent manifest holds no DaemonSet: build it anew with `npm run build`')
  const template = found.spec?.template
  const pod = template?.spec ?? {}
  const withImage = (containers: PodSpec['containers']) => containers?.map((container) => ({ ...container, image }))
  const { containers, initContainers } = pod
  const spec: PodSpec = {
    ...pod,
    ...(containers && { containers: withImage(containers) ?? [] }),
    ...(initContainers && { initContainers: withImage(initContainers) ?? [] }),
  }
  const daemonSet: DaemonSetObject = {
    ...found,
    metadata: {
      ...found.metadata,
      namespace,
      labels: { ...found.metadata.labels, [labels.managedBy]: managedByValue },
    },
    spec: { ...found.spec, template: { ...template, spec } },
  }
  const digest = createHash('sha256').update(JSON.stringify(daemonSet)).digest('hex').slice(0, 16)
  daemonSet.metadata.annotations = { ...found.metadata.annotations, [manifestAnnotation]: digest }
  return daemonSet
}
