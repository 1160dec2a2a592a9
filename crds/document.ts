/** docs/api.md: every field of the three objects with its type and meaning. */
import { type Resource, resources } from './crd.ts'
import { group, version } from './protocol.ts'
import type { Rule, Schema } from './schema.ts'
import { type Field, walk } from './walk.ts'

export const generateDocument =
  (): string => `<!-- Generated from the schemas in crds/ by \`npm run generate\`. Do not edit. -->
# API reference

\`${group}/${version}\`, all cluster-scoped, all in the category \`drydock\` (\`kubectl get drydock\`).
\`[]\` after a name means each item of a list, \`{}\` each value of a map. A star marks a field that its parent needs.
A field that is not supported in this version is refused by the API server, with a sentence that names it.

${resources.map(object).join('\n')}`

const object = (resource: Resource): string => `## ${resource.kind}

${resource.schema.description}
Short name: \`${resource.shortName}\`.

| field | type | meaning |
|---|---|---|
${rows(resource.schema).join('\n')}
`

/** An item that is an object says nothing that its list and its own fields do not say. */
const isRow = ({ path, schema }: Field): boolean => !(/(\[\]|\{\})$/.test(path) && schema.type === 'object')

const rows = (schema: Schema): string[] => {
  const fields = [...walk(schema)].filter(isRow)
  const refused = fields.filter((field) => rules(field).some(({ rule }) => rule === 'false')).map(({ path }) => path)
  return fields.map((field) => {
    const isRefused = refused.some((path) => isWithin(path, field.path))
    const name = `\`${field.path}\`${field.required ? ' *' : ''}`
    return `| ${name} | ${typeOf(field.schema)} | ${cell(meaning(field, isRefused))} |`
  })
}

const isWithin = (parent: string, path: string): boolean =>
  path.startsWith(parent) && /^([.[{]|$)/.test(path.slice(parent.length))

const rules = ({ schema }: Field): readonly Rule[] => schema['x-kubernetes-validations'] ?? []

const typeOf = (schema: Schema): string => {
  if (schema['x-kubernetes-int-or-string']) return 'integer or string'
  if (schema.items) return `list of ${typeOf(schema.items)}`
  if (schema.additionalProperties) return `map of ${typeOf(schema.additionalProperties)}`
  return schema.format === 'date-time' ? 'time' : (schema.type ?? '')
}

/** The rules of a field say what its description says, apart from those on values that come later. */
const meaning = (field: Field, isRefused: boolean): string => {
  const { description, enum: values, default: standard } = field.schema
  const partly = rules(field).filter(({ rule, message }) => rule !== 'false' && message.includes('not supported'))
  return [
    isRefused && '**Not supported in this version.**',
    description,
    values && `One of ${values.map((value) => `\`${value}\``).join(', ')}.`,
    isScalar(standard) && `Default: \`${standard}\`.`,
    ...partly.map(({ message }) => `**${message}.**`),
  ]
    .filter(Boolean)
    .join(' ')
}

const isScalar = (value: unknown): boolean => value !== undefined && typeof value !== 'object'

const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('\n', ' ')
