/** The log of the agent's programs: JSON lines, as the operator's, without the memory that a logging library takes. */
import { rfc3339 } from '../../kube/clock.ts'
import type { Log, LogFields } from '../../kube/log.ts'

export function jsonLog(write: (line: string) => void, bound: LogFields = {}): Log {
  const line =
    (level: string) =>
    (msg: string, fields: LogFields = {}): void => {
      const all = { level, time: rfc3339(new Date()), msg, ...bound, ...fields }
      write(`${JSON.stringify(all, (_key, value) => (value instanceof Error ? describe(value) : value))}\n`)
    }
  return {
    // Nobody turns a node's log up in time: what is worth knowing is said as info.
    debug: () => {},
    info: line('info'),
    warn: line('warn'),
    error: line('error'),
    with: (fields) => jsonLog(write, { ...bound, ...fields }),
  }
}

function describe({ name, message, stack }: Error): object {
  return { type: name, message, stack }
}
