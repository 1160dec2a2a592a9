import type { Metric } from '../kube/metrics.ts'

export const rolloutNodes = {
  kind: 'gauge',
  name: 'rollout_nodes',
  help: 'Nodes of a RuntimeProfile by phase: selected, ready, updating, waiting, failed, unavailable.',
  labels: ['profile', 'phase'],
} as const satisfies Metric
