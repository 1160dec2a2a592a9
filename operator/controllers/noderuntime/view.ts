import type { NodeRuntime } from '../../../crds/types.gen.ts'

/** A NodeRuntime without the texts that only a report needs: diffs and single calls are most of its size. */
export function projectNodeRuntime(runtime: NodeRuntime): NodeRuntime {
  const { metadata, status, ...rest } = runtime
  const { managedFields: _, ...meta } = metadata as NodeRuntime['metadata'] & { managedFields?: unknown }
  if (!status) return { ...rest, metadata: meta }
  const { changes: _c, steps: _s, conditions: _o, residue: _r, notes: _n, images: _i, verification, ...kept } = status
  return {
    ...rest,
    metadata: meta,
    status: { ...kept, ...(verification && { verification: withoutCalls(verification) }) },
  }
}

type Verification = NonNullable<NonNullable<NodeRuntime['status']>['verification']>

function withoutCalls({ handlers, ...verification }: Verification): Verification {
  if (!handlers) return verification
  return { ...verification, handlers: handlers.map(({ calls: _, ...handler }) => handler) }
}
