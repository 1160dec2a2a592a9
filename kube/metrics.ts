// What the parts count. A metric is described by a constant, so that name, help and labels stand in one place.

export interface Metric {
  readonly kind: 'counter' | 'gauge' | 'histogram'
  /** Without the prefix of the program, which the registry adds. */
  readonly name: string
  readonly help: string
  readonly labels: readonly string[]
  /** Upper bounds of a histogram, in the unit of its name. */
  readonly buckets?: readonly number[]
}

export type Labels = Readonly<Record<string, string>>

export interface Metrics {
  add(metric: Metric & { kind: 'counter' }, labels?: Labels, by?: number): void
  set(metric: Metric & { kind: 'gauge' }, labels: Labels, value: number): void
  observe(metric: Metric & { kind: 'histogram' }, labels: Labels, value: number): void
}

export const noMetrics: Metrics = { add: () => {}, set: () => {}, observe: () => {} }

export const apiRequestsTotal = {
  kind: 'counter',
  name: 'api_requests_total',
  help: 'Requests to the API server by verb, resource and HTTP code; code "error" when there was no answer.',
  labels: ['verb', 'resource', 'code'],
} as const satisfies Metric

export const reflectorListsTotal = {
  kind: 'counter',
  name: 'reflector_lists_total',
  help: 'Full lists taken by a reflector.',
  labels: ['resource'],
} as const satisfies Metric

export const reflectorWatchesTotal = {
  kind: 'counter',
  name: 'reflector_watches_total',
  help: 'Watches opened by a reflector.',
  labels: ['resource'],
} as const satisfies Metric

export const reflectorMissedTotal = {
  kind: 'counter',
  name: 'reflector_missed_by_relist_total',
  help: 'Changes that a repeated list found and the watch had not delivered.',
  labels: ['resource'],
} as const satisfies Metric

export const workqueueDepth = {
  kind: 'gauge',
  name: 'workqueue_depth',
  help: 'Keys that wait in a queue.',
  labels: ['name'],
} as const satisfies Metric

export const workqueueAddsTotal = {
  kind: 'counter',
  name: 'workqueue_adds_total',
  help: 'Keys that entered a queue.',
  labels: ['name'],
} as const satisfies Metric

export const workqueueRetriesTotal = {
  kind: 'counter',
  name: 'workqueue_retries_total',
  help: 'Keys that were put back after a failure.',
  labels: ['name'],
} as const satisfies Metric

export const reconcileTotal = {
  kind: 'counter',
  name: 'reconcile_total',
  help: 'Reconciliations by controller and result: success, requeue_after, error, terminal_error.',
  labels: ['controller', 'result'],
} as const satisfies Metric

export const reconcileSeconds = {
  kind: 'histogram',
  name: 'reconcile_seconds',
  help: 'Duration of a reconciliation in seconds.',
  labels: ['controller'],
  buckets: [0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60],
} as const satisfies Metric

export const leaderGauge = {
  kind: 'gauge',
  name: 'leader',
  help: '1 while this process holds the lease.',
  labels: ['lease'],
} as const satisfies Metric
