import { Counter, Gauge, Histogram, Registry } from '@prometheus-io/client'
import type { Metric, Metrics } from './metrics.ts'

/** What a metrics endpoint serves. */
export interface Exposition {
  readonly contentType: string
  render(): Promise<string>
}

/** Metrics in a registry of their own; a metric appears with its first value. */
export function prometheusMetrics({ prefix }: { prefix: string }): Metrics & Exposition {
  const registry = new Registry()
  const known = new Map<string, Counter<string> | Gauge<string> | Histogram<string>>()

  const instrument = <T>(metric: Metric, create: (configuration: Configuration) => T): T => {
    const existing = known.get(metric.name)
    if (existing) return existing as T
    const created = create({
      name: `${prefix}${metric.name}`,
      help: metric.help,
      labelNames: [...metric.labels],
      registers: [registry],
    })
    known.set(metric.name, created as Counter<string>)
    return created
  }

  return {
    add: (metric, labels = {}, by = 1) => instrument(metric, (c) => new Counter(c)).inc(labels, by),
    set: (metric, labels, value) => instrument(metric, (c) => new Gauge(c)).set(labels, value),
    observe: (metric, labels, value) =>
      instrument(metric, (c) => new Histogram({ ...c, buckets: [...(metric.buckets ?? [])] })).observe(labels, value),
    contentType: registry.contentType,
    render: () => registry.metrics(),
  }
}

interface Configuration {
  name: string
  help: string
  labelNames: string[]
  registers: Registry[]
}
