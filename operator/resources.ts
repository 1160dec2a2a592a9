/** The three kinds of Drydock as resources of the API. */
import { group, version } from '../crds/protocol.ts'
import type { ResourceType } from '../kube/resource.ts'

const kind = (plural: string, name: string): ResourceType => ({ group, version, plural, kind: name, namespaced: false })

export const RuntimeProfiles = kind('runtimeprofiles', 'RuntimeProfile')
export const NodeRuntimes = kind('noderuntimes', 'NodeRuntime')
export const MigrationReports = kind('migrationreports', 'MigrationReport')

/** Owns the fields that the operator applies. */
export const fieldManager = 'drydock-operator'

/** Name of the agent's DaemonSet and of the operator's lease: one Drydock a cluster. */
export const agentName = 'drydock-agent'
export const leaseName = 'drydock-operator'
