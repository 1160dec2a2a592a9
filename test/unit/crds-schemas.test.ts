import { readFile } from 'node:fs/promises'
import fc from 'fast-check'
import t from 'tap'
import { resources } from '../../crds/crd.ts'
import { parseDuration } from '../../crds/duration.ts'
import type { Schema } from '../../crds/schema.ts'
import { createValidator } from '../../crds/validate.ts'
import { walk } from '../../crds/walk.ts'
import { accepted, patched, refused, validProfile } from '../apiserver/profile-cases.ts'

const keywords = new Set([
  ...[
    'type',
    'description',
    'enum',
    'format',
    'maxLength',
    'minimum',
    'maximum',
    'minItems',
    'maxItems',
    'maxProperties',
  ],
  ...['default', 'properties', 'required', 'items', 'additionalProperties', 'x-kubernetes-int-or-string'],
  ...['x-kubernetes-list-type', 'x-kubernetes-list-map-keys', 'x-kubernetes-map-type', 'x-kubernetes-validations'],
])

const isTyped = (schema: Schema) => (schema['x-kubernetes-int-or-string'] ? !schema.type : Boolean(schema.type))
const isBounded = (schema: Schema) => {
  if (schema.type === 'string') return schema.maxLength !== undefined || schema.enum || schema.format === 'date-time'
  if (schema.type === 'array') return schema.maxItems !== undefined
  return !schema.additionalProperties || schema.maxProperties !== undefined
}
const hasItsParts = (schema: Schema) => {
  if (schema.type === 'array') return schema.items !== undefined && schema['x-kubernetes-list-type'] !== undefined
  if (schema.type === 'object') return (schema.properties === undefined) !== (schema.additionalProperties === undefined)
  return !schema.properties && !schema.items && !schema.additionalProperties
}
const hasItsKeys = ({ items, ...schema }: Schema) =>
  schema['x-kubernetes-list-type'] !== 'map' ||
  (schema['x-kubernetes-list-map-keys'] ?? []).every((key) => items?.properties?.[key] && items.required?.includes(key))

for (const { kind, schema } of resources) {
  t.test(`the schema of ${kind}`, async (t) => {
    const fields = [{ path: kind, schema }, ...walk(schema)]
    const without = (holds: (schema: Schema) => unknown) =>
      fields.filter(({ schema }) => !holds(schema)).map(({ path }) => path)
    t.strictSame(
      without(({ description }) => /^[A-Z/].*[.]$/s.test(description)),
      [],
      'every field has a sentence',
    )
    t.strictSame(
      without((field) => Object.keys(field).every((key) => keywords.has(key))),
      [],
      'no other keyword',
    )
    t.strictSame(without(isTyped), [], 'every field has a type or is int-or-string')
    t.strictSame(without(isBounded), [], 'strings, lists and maps are bounded')
    t.strictSame(without(hasItsParts), [], 'objects and lists say what is in them')
    t.strictSame(without(hasItsKeys), [], 'keys of list-maps exist and are required')
    t.strictSame(
      without(({ required = [], properties }) => required.every((name) => properties?.[name])),
      [],
      'required fields exist',
    )
    const rules = fields.flatMap(({ schema }) => schema['x-kubernetes-validations'] ?? [])
    t.strictSame(
      rules.filter(({ message }) => !/write|remove|cannot be changed/.test(message)),
      [],
      'rules say what to write',
    )
  })
}

t.test('the offline validator', async (t) => {
  const validate = createValidator()
  for (const { name, patch } of refused) {
    t.not(validate(patched(validProfile, patch)).length, 0, `refuses ${name}`)
  }
  for (const { name, patch } of accepted) t.strictSame(validate(patched(validProfile, patch)), [], `accepts ${name}`)
  t.strictSame(validate({ kind: 'Profile' }), [
    { field: 'kind', message: 'write one of RuntimeProfile, NodeRuntime, MigrationReport' },
  ])
  t.strictSame(validate(undefined).length, 1)
  t.match(validate({ ...validProfile, apiVersion: 'drydock.dev/v1' }), [{ field: 'apiVersion', message: /v1alpha1/ }])
  const node = {
    apiVersion: 'drydock.dev/v1alpha1',
    kind: 'NodeRuntime',
    metadata: { name: 'n' },
    spec: { permit: 'Prepare' },
  }
  t.match(validate(node), [{ field: 'spec', message: /write revision, attempt, fence and nodeUID/ }])
})

t.test('durations', async (t) => {
  for (const [text, milliseconds] of [
    ['90s', 90_000],
    ['10m', 600_000],
    ['1h30m', 5_400_000],
    ['2h0m1s', 7_201_000],
    ['0s', 0],
  ] as const) {
    t.equal(parseDuration(text), milliseconds, text)
  }
  for (const text of ['', '10', 'h', '1m1h', '-1s', '1.5h', '10ms', ' 1s', '1s\n', '123456s']) {
    t.throws(
      () => parseDuration(text),
      { name: 'RangeError', message: /is not a duration; write one such as 90s/ },
      text,
    )
  }
  const part = fc.integer({ min: 0, max: 99_999 })
  fc.assert(
    fc.property(part, part, part, (hours, minutes, seconds) => {
      const expected = hours * 3_600_000 + minutes * 60_000 + seconds * 1000
      return parseDuration(`${hours}h${minutes}m${seconds}s`) === expected
    }),
  )
})

t.test('what the agent imports of the contract is light', async (t) => {
  for (const file of ['types.gen.ts', 'protocol.ts', 'duration.ts']) {
    const source = await readFile(new URL(`../../crds/${file}`, import.meta.url), 'utf8')
    t.notMatch(source, /^import (?!type)/m, file)
  }
})
