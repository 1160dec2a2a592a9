/** What can be seen in the API of whether Drydock has a node out of service. */
import { annotations } from '../../../crds/protocol.ts'
import type { NodeRuntime } from '../../../crds/types.gen.ts'
import type { Stored } from './api.ts'

const open = ['Switch', 'Commit', 'Rollback']
const ended = ['Committed', 'Refused', 'RolledBack', 'Failed']

/** Of the answer to the present order. */
export const phaseOf = ({ spec, status }: NodeRuntime): string | undefined =>
  spec?.revision !== undefined && status?.revision === spec.revision && status.attempt === spec.attempt
    ? status.phase
    : undefined

export const isOpen = (runtime: NodeRuntime | undefined): boolean =>
  runtime !== undefined && open.includes(runtime.spec?.permit ?? '') && !ended.includes(phaseOf(runtime) ?? '')

export const markOf = (node: Stored | undefined): string | undefined =>
  node?.metadata.annotations?.[annotations.cordonedBy]

/** Drydock has the node out of service already, or may have. */
export function isTaken(node: Stored | undefined, runtime: NodeRuntime | undefined): boolean {
  if (markOf(node) !== undefined || isOpen(runtime)) return true
  return runtime !== undefined && phaseOf(runtime) === 'Failed'
}

/** The turn of a node that somebody else cordoned began already. */
export function hasBegun({ metadata, spec }: NodeRuntime): boolean {
  const text = metadata.annotations?.[annotations.turn]
  if (text === undefined || spec?.permit !== 'Prepare') return false
  const { revision, attempt } = JSON.parse(text) as { revision: string; attempt: number }
  return revision === spec.revision && attempt === spec.attempt
}

/** It was registered with the startup taint and has not been admitted. */
export const isTainted = (node: Stored | undefined): boolean =>
  (node?.spec?.['taints'] as object[] | undefined)?.length === 1
