import type { Step } from './step.ts'

/**
 * Drain leaves DaemonSet and static pods. They are removed through the engine that made them: one with another cgroup
 * driver or OCI runtime could not.
 */
export const removePods: Step = {
  name: 'remove-pods',
  apply: async ({ runtime, change, limit, found }) => {
    found({ podsRemoved: await runtime.removePods(change.from.endpoint, limit) })
  },
}
