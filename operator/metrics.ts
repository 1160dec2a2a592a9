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

export const ordersTotal = {
  kind: 'counter',
  name: 'orders_total',
  help: 'Orders to nodes of a RuntimeProfile by purpose: change, repair after a drift, proof of a node as it is.',
  labels: ['profile', 'purpose'],
} as const satisfies Metric

export const rolloutReason = {
  kind: 'gauge',
  name: 'rollout_reason',
  help: '1 for the reason in the status of a RuntimeProfile: Converged, CanarySoaking, GateClosed, DisruptionBudget, Aborted and so on.',
  labels: ['profile', 'reason'],
} as const satisfies Metric
