import type { Metric } from '../kube/metrics.ts'

export const rolloutNodes = {
  kind: 'gauge',
  name: 'rollout_nodes',
  help: 'Nodes of a RuntimeProfile by phase: selected, ready, updating, waiting, failed, unavailable.',
  labels: ['profile', 'phase'],
} as const satisfies Metric

export const gateAnswers = {
  kind: 'counter',
  name: 'gate_answers_total',
  help: 'Times that the gates of a RuntimeProfile were asked, by result: open, closed, error.',
  labels: ['profile', 'result'],
} as const satisfies Metric
