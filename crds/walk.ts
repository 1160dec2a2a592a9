import type { Schema } from './schema.ts'

/** One place of a schema, by the path that users know: `spec.handlers[].name`, `spec.nodeSelector.matchLabels{}`. */
export interface Field {
  readonly path: string
  readonly schema: Schema
  readonly required: boolean
}

/** Every field below a schema, parents first: properties, items of lists and values of maps. */
export function* walk(schema: Schema, path = ''): Generator<Field> {
  for (const [name, value] of Object.entries(schema.properties ?? {})) {
    const here = path ? `${path}.${name}` : name
    yield { path: here, schema: value, required: schema.required?.includes(name) ?? false }
    yield* walk(value, here)
  }
  for (const [suffix, value] of [['[]', schema.items] as const, ['{}', schema.additionalProperties] as const]) {
    if (!value) continue
    yield { path: path + suffix, schema: value, required: false }
    yield* walk(value, path + suffix)
  }
}
