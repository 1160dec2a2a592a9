/** CEL over objects of the API. Loads the interpreter: import it only when there is a gate. */
import { Environment } from '@marcbachmann/cel-js'

export interface Bindings {
  /** The one object that was asked for by name. */
  readonly object?: unknown
  readonly objects: readonly unknown[]
}

/** Whether the expression holds. Throws with a sentence when it cannot be read, meets what is not there, or gives no truth value. */
export function holds(expression: string, bindings: Bindings): boolean {
  const environment = new Environment({ enableOptionalTypes: true, homogeneousAggregateLiterals: false })
  environment.registerVariable('objects', 'list')
  if ('object' in bindings) environment.registerVariable('object', 'dyn')
  let value: unknown
  try {
    value = environment.parse(expression)(toCel(bindings) as Record<string, unknown>)
  } catch (error) {
    // The interpreter shows the place in further lines.
    throw new Error((error as Error).message.split('\n')[0] ?? 'the expression cannot be read')
  }
  if (typeof value !== 'boolean') throw new Error(`it gives a ${typeOf(value)}; write one that gives true or false`)
  return value
}

const typeOf = (value: unknown): string => {
  if (typeof value === 'bigint') return 'number'
  return Array.isArray(value) ? 'list' : typeof value
}

/** Integers of CEL have 64 bits and are BigInt here; what has a fraction is a double. */
function toCel(value: unknown): unknown {
  if (typeof value === 'number') return Number.isInteger(value) ? BigInt(value) : value
  if (Array.isArray(value)) return value.map(toCel)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, toCel(part)]))
}
