import type { Step } from './step.ts'

/**
 * Drain leaves DaemonSet and static pods. They are removed through the engine that made them: one with another cgroup
 * driver or OCI runtime could not.
 */
export const removePods: Step = {
  name: 'remove-pods',
  apply: async ({ runtime, provisions, change: { from }, clock, limit, found }) => {
    const podsRemoved = from.isInKubelet
      ? await provisions.removePods(from.name, limit.untilMs - clock.monotonicMs())
      : await runtime.removePods(from.endpoint, limit)
    found({ podsRemoved })
  },
}
