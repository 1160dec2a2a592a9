/** The three CustomResourceDefinitions as plain objects: what the chart ships and what a test installs. */
import { migrationReportSchema } from './migrationreport/schema.ts'
import { nodeRuntimeSchema } from './noderuntime/schema.ts'
import { group, version } from './protocol.ts'
import { runtimeProfileSchema } from './runtimeprofile/schema.ts'
import type { Schema } from './schema.ts'

/** A column of `kubectl get`. Those of priority 0 are always shown, the others with `-o wide`. */
export interface PrinterColumn {
  readonly name: string
  readonly type: 'string' | 'integer' | 'date'
  readonly jsonPath: string
  readonly description: string
  readonly priority?: number
}

export interface Resource {
  readonly kind: 'RuntimeProfile' | 'NodeRuntime' | 'MigrationReport'
  readonly plural: string
  readonly shortName: string
  readonly schema: Schema
  readonly columns: readonly PrinterColumn[]
}

const text = (name: string, jsonPath: string, description: string): PrinterColumn => ({
  name,
  type: 'string',
  jsonPath,
  description,
})
const count = (name: string, jsonPath: string, description: string): PrinterColumn => ({
  name,
  type: 'integer',
  jsonPath,
  description,
})
const wide = (column: PrinterColumn): PrinterColumn => ({ ...column, priority: 1 })
const age: PrinterColumn = {
  name: 'Age',
  type: 'date',
  jsonPath: '.metadata.creationTimestamp',
  description: 'Time since the object was created.',
}
/** Last, because it is as long as the sentence: a short column after it would be far out on the right. */
const message = text('Message', '.status.message', 'Where it is, or why it waits.')

export const resources: readonly Resource[] = [
  {
    kind: 'RuntimeProfile',
    plural: 'runtimeprofiles',
    shortName: 'rp',
    schema: runtimeProfileSchema,
    columns: [
      text('Ready', '.status.conditions[?(@.type=="Ready")].status', 'Whether every selected node is there.'),
      count('Nodes', '.status.nodes.selected', 'Nodes that the selector selects.'),
      count('Proven', '.status.nodes.ready', 'Nodes that run the current revision, proven.'),
      count('Updating', '.status.nodes.updating', 'Nodes under way.'),
      count('Failed', '.status.nodes.failed', 'Nodes that were refused or rolled back.'),
      wide(count('Waiting', '.status.nodes.waiting', 'Nodes that wait for their turn.')),
      wide(text('Report', '.status.report', 'Name of the MigrationReport.')),
      age,
      message,
    ],
  },
  {
    kind: 'NodeRuntime',
    plural: 'noderuntimes',
    shortName: 'nr',
    schema: nodeRuntimeSchema,
    columns: [
      text('Profile', '.spec.profile', 'The RuntimeProfile behind the order.'),
      text('Phase', '.status.phase', 'Where the node is with the order.'),
      text('Action', '.status.action', 'The least disruptive action that reaches the target.'),
      text('Engine', '.status.observed.engine.name', 'The engine that the kubelet uses.'),
      text('Version', '.status.observed.engine.version', 'Version of the engine.'),
      text('Wanted', '.spec.target.engine.name', 'The engine that the order asks for.'),
      text('Driver', '.status.observed.cgroup.engineDriver', 'The cgroup driver of the engine.'),
      wide(text('Permit', '.spec.permit', 'How far the node may go.')),
      wide(text('Revision', '.status.revision', 'The revision that the phase speaks of.')),
      age,
      message,
    ],
  },
  {
    kind: 'MigrationReport',
    plural: 'migrationreports',
    shortName: 'mr',
    schema: migrationReportSchema,
    columns: [
      text('Profile', '.spec.profile', 'The RuntimeProfile whose rollout this is.'),
      text('Phase', '.status.phase', 'Where the rollout is.'),
      count('Changed', '.status.changed', 'Nodes that were changed and proven.'),
      count('Unchanged', '.status.unchanged', 'Nodes that needed no change.'),
      count('Failed', '.status.failed', 'Nodes that were refused, rolled back or failed.'),
      wide(text('Revision', '.spec.revision', 'Hash of the target.')),
      age,
      message,
    ],
  },
]

export const crdName = ({ plural }: Resource): string => `${plural}.${group}`

/** The CustomResourceDefinition of one kind, ready to be applied. */
export const crd = (resource: Resource) => ({
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: crdName(resource) },
  spec: {
    group,
    scope: 'Cluster',
    names: {
      kind: resource.kind,
      listKind: `${resource.kind}List`,
      plural: resource.plural,
      singular: resource.kind.toLowerCase(),
      shortNames: [resource.shortName],
      categories: ['drydock'],
    },
    versions: [
      {
        name: version,
        served: true,
        storage: true,
        subresources: { status: {} },
        additionalPrinterColumns: resource.columns,
        schema: { openAPIV3Schema: resource.schema },
      },
    ],
  },
})
