import { group, version } from '../../crds/protocol.ts'
import type { ResourceType } from '../../kube/resource.ts'

export const NodeRuntimes: ResourceType = {
  group,
  version,
  plural: 'noderuntimes',
  kind: 'NodeRuntime',
  namespaced: false,
}
