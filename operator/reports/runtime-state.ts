import type { MigrationReportStatus, NodeRuntimeStatus } from '../../crds/types.gen.ts'

export type RuntimeState = NonNullable<NonNullable<MigrationReportStatus['nodes']>[number]['before']>

/** What a node runs, in the few words that a report keeps. */
export function runtimeState(observed: NodeRuntimeStatus['observed']): RuntimeState {
  const { engine, cgroup, handlers, sandboxImage, kubeletVersion } = observed ?? {}
  const names = handlers?.map(({ name, default: isDefault }) => (isDefault ? `${name}*` : name)).join(',')
  const programs = programsOf(handlers ?? []).join(', ')
  return {
    ...(engine?.name && { engine: engine.name }),
    ...(engine?.version && { engineVersion: engine.version }),
    ...(engine?.socket && { endpoint: engine.socket }),
    ...(kubeletVersion && { kubeletVersion }),
    ...(cgroup?.engineDriver && { cgroupDriver: cgroup.engineDriver }),
    ...(cgroup?.kubeletDriver && { kubeletCgroupDriver: cgroup.kubeletDriver }),
    ...(names && { handlers: names.slice(0, 1024) }),
    ...(programs && { ociRuntimes: programs.slice(0, 1024) }),
    ...(sandboxImage && { sandboxImage }),
  }
}

/** `runc 1.1.5`: each program once, however many handlers use it. */
function programsOf(handlers: NonNullable<NonNullable<NodeRuntimeStatus['observed']>['handlers']>): string[] {
  const named = handlers.flatMap(({ name, binary, version }) => {
    const program = binary?.slice(binary.lastIndexOf('/') + 1) ?? name
    return version ? [`${program} ${version}`] : []
  })
  return [...new Set(named)]
}
