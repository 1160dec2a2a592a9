/**
 * The judgement of the API server without an API server, for the command line: structure by JSON Schema, then the CEL
 * rules with the same sentences. Rules that compare with an old object are left out: there is none.
 *
 * Kept out of every module that the agent imports: it pulls in ajv and a CEL interpreter.
 */
import { Environment } from '@marcbachmann/cel-js'
import { Ajv, type ErrorObject } from 'ajv'
import formats from 'ajv-formats'
import { type Resource, resources } from './crd.ts'
import { forms, metadataSchema } from './metadata.ts'
import { group, version } from './protocol.ts'
import type { Schema } from './schema.ts'

export interface Problem {
  /** Path of the field, such as `spec.handlers[1].name`. */
  readonly field: string
  /** What is wrong and what to write. */
  readonly message: string
}

/** All that is wrong with one object; empty when the API server would create it. A null stands for an absent field, as there. */
export type Validate = (object: unknown) => readonly Problem[]

/** Compiles the schemas (tens of milliseconds) into one function for the three kinds. */
export const createValidator = (): Validate => {
  const ajv = new Ajv({ allErrors: true, strict: false, verbose: true })
  formats.default(ajv)
  for (const [words, form] of Object.entries(forms)) ajv.addFormat(words, form)
  const structures = new Map(resources.map((resource) => [resource.kind, ajv.compile(structureOf(resource))]))
  const judge = createJudge()
  return (given) => {
    const object = withoutNulls(given)
    const resource = resources.find(({ kind }) => kind === property(object, 'kind'))
    if (!resource) {
      return [{ field: 'kind', message: `write one of ${resources.map(({ kind }) => kind).join(', ')}` }]
    }
    const structure = structures.get(resource.kind)
    if (structure && !structure(object)) return (structure.errors ?? []).filter(isSaidOnce).map(problemOf)
    // CEL integers are 64 bits wide, so its values are BigInt.
    return judge(resource.schema, toCel(named(object)), '')
  }
}

/** With a name as the API server generates it, before it looks at the rules. */
const named = (object: unknown): unknown => {
  const metadata = property(object, 'metadata') as { name?: string; generateName?: string }
  return { ...(object as object), metadata: { name: `${metadata.generateName?.slice(0, 58)}abcde`, ...metadata } }
}

const property = (object: unknown, name: string): unknown =>
  typeof object === 'object' && object !== null ? (object as Record<string, unknown>)[name] : undefined

/**
 * The object as the API server takes it in: a null in place of a field that it knows is that field left out. Nulls of
 * unknown fields stay, to be refused, and so do those in lists.
 */
export const withoutNulls = (object: unknown): unknown => {
  const resource = resources.find(({ kind }) => kind === property(object, 'kind'))
  return resource ? pruned(structureOf(resource), object) : object
}

interface Structure {
  readonly properties?: Readonly<Record<string, Structure>>
  readonly items?: Structure
  readonly additionalProperties?: Structure | boolean
  readonly [keyword: string]: unknown
}

const pruned = (structure: Structure, value: unknown): unknown => {
  if (Array.isArray(value)) return value.map((item) => pruned(structure.items ?? {}, item))
  if (typeof value !== 'object' || value === null) return value
  const { properties = {}, additionalProperties } = structure
  const others = typeof additionalProperties === 'object' ? additionalProperties : undefined
  return Object.fromEntries(
    Object.entries(value).flatMap(([name, part]) => {
      const of = Object.hasOwn(properties, name) ? properties[name] : others
      if (!of) return [[name, part]]
      return part === null ? [] : [[name, pruned(of, part)]]
    }),
  )
}

/** The schema of a whole object, which in a CRD leaves out what every Kubernetes object has. */
const structureOf = ({ kind, schema }: Resource): Structure => ({
  type: 'object',
  additionalProperties: false,
  required: ['apiVersion', 'kind', 'metadata', ...(schema.required ?? [])],
  properties: {
    apiVersion: { type: 'string', enum: [`${group}/${version}`] },
    kind: { type: 'string', enum: [kind] },
    metadata: metadataSchema,
    ...Object.fromEntries(Object.entries(schema.properties ?? {}).map(([name, value]) => [name, closed(value)])),
  },
})

/** The same schema, but a field that it does not know is an error instead of being dropped. */
const closed = (schema: Schema): Structure => {
  const { properties, items, additionalProperties, ...rest } = schema
  return {
    ...rest,
    ...(rest['x-kubernetes-int-or-string'] && { type: ['integer', 'string'] }),
    ...((rest['x-kubernetes-int-or-string'] || rest.type === 'integer') && { exclusiveMaximum: 2 ** 63 }),
    ...(items && { items: closed(items) }),
    ...(properties && {
      additionalProperties: false,
      properties: Object.fromEntries(Object.entries(properties).map(([name, value]) => [name, closed(value)])),
    }),
    ...(additionalProperties && { additionalProperties: closed(additionalProperties) }),
  }
}

const sentences: Record<string, (params: Record<string, unknown>, schema: unknown) => string> = {
  required: () => 'Required value: write it',
  additionalProperties: () => 'unknown field; remove it or correct its name',
  enum: (_params, values) => `Unsupported value: write one of ${(values as string[]).join(', ')}`,
  type: (_params, type) => `Invalid value: write ${[type].flat().join(' or ')}`,
  maxLength: ({ limit }) => `Too long: write at most ${limit} characters`,
  maxItems: ({ limit }) => `Too many: write at most ${limit} items`,
  maxProperties: ({ limit }) => `Too many: write at most ${limit} entries`,
  minimum: ({ limit }) => `Invalid value: write at least ${limit}`,
  maximum: ({ limit }) => `Invalid value: write at most ${limit}`,
  exclusiveMaximum: () => 'Invalid value: write a number of at most 64 bits',
  format: ({ format }) => `Invalid value: write a ${format}`,
}

/** These only say that another error in the list is one. */
const isSaidOnce = ({ keyword }: ErrorObject): boolean => keyword !== 'if' && keyword !== 'propertyNames'

const problemOf = ({ keyword, params, instancePath, schema, message, propertyName }: ErrorObject): Problem => {
  const last = params['missingProperty'] ?? params['additionalProperty'] ?? propertyName
  const segments = [...instancePath.split('/').slice(1).map(unescaped), ...(last === undefined ? [] : [String(last)])]
  return {
    field: segments.reduce((path, segment) => child(path, /^\d+$/.test(segment) ? Number(segment) : segment), ''),
    message: sentences[keyword]?.(params, schema) ?? message ?? keyword,
  }
}

/** A step of a JSON pointer. */
const unescaped = (step: string): string => step.replaceAll('~1', '/').replaceAll('~0', '~')

const child = (path: string, step: string | number): string =>
  typeof step === 'number' ? `${path}[${step}]` : path ? `${path}.${step}` : step

const toCel = (value: unknown): unknown => {
  if (typeof value === 'number') return Number.isInteger(value) ? BigInt(value) : value
  if (Array.isArray(value)) return value.map(toCel)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, toCel(part)]))
}

/** Walks schema and value together and evaluates each rule where it stands. */
const createJudge = () => {
  const environment = new Environment({ unlistedVariablesAreDyn: true })
  const programs = new Map<string, (context: { self: unknown }) => unknown>()
  const holds = (rule: string, self: unknown): boolean => {
    const program = programs.get(rule) ?? environment.parse(rule)
    programs.set(rule, program)
    return program({ self }) === true
  }
  const judge = (schema: Schema, value: unknown, path: string): Problem[] => [
    ...(schema['x-kubernetes-validations'] ?? [])
      .filter(({ rule }) => !rule.includes('oldSelf') && !holds(rule, value))
      .map(({ message }) => ({ field: path, message })),
    ...duplicates(schema, value, path),
    ...parts(schema, value).flatMap(([step, part, of]) =>
      judge(of, part, schema.additionalProperties ? `${path}[${step}]` : child(path, step)),
    ),
  ]
  return judge
}

/** Items of a list with the same key: the API server finds them apart from schema and rules. */
const duplicates = (schema: Schema, value: unknown, path: string): Problem[] => {
  const [key] = schema['x-kubernetes-list-map-keys'] ?? []
  if (key === undefined || !Array.isArray(value)) return []
  const keys = value.map((item) => property(item, key))
  return keys.flatMap((found, index) =>
    keys.indexOf(found) < index
      ? [
          {
            field: child(path, index),
            message: `Duplicate value: ${key} ${found} is there already; write another ${key}`,
          },
        ]
      : [],
  )
}

const parts = (schema: Schema, value: unknown): [step: string | number, part: unknown, of: Schema][] => {
  const { items, properties, additionalProperties } = schema
  if (Array.isArray(value)) return items ? value.map((part, index) => [index, part, items]) : []
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([name, part]) => {
    const of = properties?.[name] ?? additionalProperties
    return of ? [[name, part, of]] : []
  })
}
