import type { MigrationReportStatus, NodeRuntimeStatus } from '../../crds/types.gen.ts'

export type RuntimeState = NonNullable<NonNullable<MigrationReportStatus['nodes']>[number]['before']>

/** What a node runs, in the few words that a report keeps. */
export function runtimeState(observed: NodeRuntimeStatus['observed']): RuntimeState {
  const { engine, cgroup, handlers, sandboxImage } = observed ?? {}
  const names = handlers?.map(({ name, default: isDefault }) => (isDefault ? `${name}*` : name)).join(',')
  return {
    ...(engine?.name && { engine: engine.name }),
    ...(engine?.version && { engineVersion: engine.version }),
    ...(cgroup?.engineDriver && { cgroupDriver: cgroup.engineDriver }),
    ...(cgroup?.kubeletDriver && { kubeletCgroupDriver: cgroup.kubeletDriver }),
    ...(names && { handlers: names.slice(0, 1024) }),
    ...(sandboxImage && { sandboxImage }),
  }
}
