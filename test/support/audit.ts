/** What Drydock has written, as the API server's audit log has it. */
import { statSync } from 'node:fs'
import { open } from 'node:fs/promises'
import type { Cluster } from '../cluster/cluster.ts'
import { namespace } from './install.ts'

/** One request to change something, granted or not. */
export interface Write {
  readonly verb: string
  /** Name of the service account. */
  readonly user: string
  /** With the subresource, such as `nodes/status`. */
  readonly resource: string
  readonly name: string
}

interface AuditEvent {
  readonly verb: string
  readonly user: { readonly username: string }
  readonly objectRef?: { readonly resource?: string; readonly subresource?: string; readonly name?: string }
}

const writeVerbs = ['create', 'update', 'patch', 'delete', 'deletecollection']
const account = `system:serviceaccount:${namespace}:`

/** The end of the audit log: what is written from now on comes after it. */
export const auditMark = (cluster: Cluster): number => statSync(cluster.auditLogPath).size

/** What Drydock's service accounts have written since the mark, Leases and evictions aside. */
export async function writesSince(cluster: Cluster, mark: number): Promise<readonly Write[]> {
  const file = await open(cluster.auditLogPath)
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(auditMark(cluster) - mark), 0, undefined, mark)
    const lines = buffer.toString('utf8', 0, bytesRead).split('\n')
    return lines.filter((line) => line.includes(account)).flatMap(writeOf)
  } finally {
    await file.close()
  }
}

/** How often each kind of write came: `drydock-agent patch noderuntimes/status ×4, …`. */
export function summaryOf(writes: readonly Write[]): string {
  const kinds = Map.groupBy(writes, ({ user, verb, resource }) => `${user} ${verb} ${resource}`)
  return [...kinds].map(([kind, all]) => `${kind} ×${all.length}`).join(', ')
}

function writeOf(line: string): readonly Write[] {
  let event: AuditEvent
  try {
    event = JSON.parse(line) as AuditEvent
  } catch {
    // The log's last line may be half written.
    return []
  }
  const { resource = '', subresource, name = '' } = event.objectRef ?? {}
  if (!event.user.username.startsWith(account) || !writeVerbs.includes(event.verb)) return []
  if (resource === 'leases' || subresource === 'eviction') return []
  const path = subresource ? `${resource}/${subresource}` : resource
  return [{ verb: event.verb, user: event.user.username.slice(account.length), resource: path, name }]
}
