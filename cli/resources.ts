/** The three kinds of Drydock as resources of the API. */
import { group, version } from '../crds/protocol.ts'
import type { ResourceType } from '../kube/resource.ts'

const kind = (plural: string, name: string): ResourceType => ({ group, version, plural, kind: name, namespaced: false })

export const runtimeProfiles = kind('runtimeprofiles', 'RuntimeProfile')
export const nodeRuntimes = kind('noderuntimes', 'NodeRuntime')
export const migrationReports = kind('migrationreports', 'MigrationReport')
