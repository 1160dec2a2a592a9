/** The agent's DaemonSet, from the manifest that was synthesised when the project was built. Pure. */
import { createHash } from 'node:crypto'
import { labels, managedByValue } from '../../../crds/protocol.ts'
import type { KubeObject } from '../../../kube/resource.ts'

export interface DaemonSetObject extends KubeObject {
  spec?: { template?: { spec?: PodSpec } }
}

interface Container {
  name?: string
  image?: string
  imagePullPolicy?: string
  env?: { name: string; value?: string }[]
}

interface PodSpec {
  containers?: Container[]
  initContainers?: Container[]
  imagePullSecrets?: { name: string }[]
}

export interface AgentSettings {
  readonly namespace: string
  readonly image: string
  readonly pullPolicy: 'Always' | 'IfNotPresent' | 'Never'
  readonly pullSecrets: readonly string[]
}

/** What was applied last: an unchanged manifest is not applied again, which would be a write. */
export const manifestAnnotation = 'drydock.dev/manifest'

/** The variable by which a courier learns its own image. */
const imageVariable = 'AGENT_IMAGE'

/** The DaemonSet of the manifest as it runs here. Throws when the manifest is no DaemonSet. */
export function daemonSetOf(manifest: unknown, settings: AgentSettings): DaemonSetObject {
  const found = manifest as DaemonSetObject
  const template = found?.spec?.template
  if (found?.kind !== 'DaemonSet' || !template?.spec) {
    throw new Error('the agent manifest holds no DaemonSet: write it anew with `npm run generate`')
  }
  const { containers = [], initContainers = [], ...pod } = template.spec
  const spec: PodSpec = {
    ...pod,
    containers: containers.map((container) => placed(container, settings)),
    initContainers: initContainers.map((container) => placed(container, settings)),
    ...(settings.pullSecrets.length > 0 && { imagePullSecrets: settings.pullSecrets.map((name) => ({ name })) }),
  }
  const metadata = {
    ...found.metadata,
    namespace: settings.namespace,
    labels: { ...found.metadata.labels, [labels.managedBy]: managedByValue },
  }
  const daemonSet: DaemonSetObject = { ...found, metadata, spec: { ...found.spec, template: { ...template, spec } } }
  const digest = createHash('sha256').update(JSON.stringify(daemonSet)).digest('hex').slice(0, 16)
  metadata.annotations = { ...found.metadata.annotations, [manifestAnnotation]: digest }
  return daemonSet
}

function placed(container: Container, { image, pullPolicy }: AgentSettings): Container {
  const env = container.env?.map((variable) =>
    variable.name === imageVariable ? { ...variable, value: image } : variable,
  )
  return { ...container, image, imagePullPolicy: pullPolicy, ...(env && { env }) }
}
