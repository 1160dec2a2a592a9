/**
 * The few building blocks that every schema of this folder is written with.
 *
 * They give plain *structural* OpenAPI (Kubernetes CustomResourceDefinition v1): every node has a type, lists and strings are
 * bounded so that the CEL cost estimate of the API server stays finite, and every field carries the sentence that
 * `kubectl explain` prints.
 */

/** One CEL rule; the message is what the user reads when the API server refuses the object. */
export interface Rule {
  readonly rule: string
  readonly message: string
  readonly fieldPath?: string
  readonly reason?: 'FieldValueInvalid' | 'FieldValueForbidden' | 'FieldValueRequired'
}

export interface Schema {
  readonly type?: 'string' | 'integer' | 'boolean' | 'object' | 'array' | 'number'
  readonly description: string
  readonly enum?: readonly string[]
  readonly format?: string
  readonly maxLength?: number
  readonly minimum?: number
  readonly maximum?: number
  readonly minItems?: number
  readonly maxItems?: number
  readonly maxProperties?: number
  readonly default?: unknown
  readonly properties?: Readonly<Record<string, Schema>>
  readonly required?: readonly string[]
  readonly items?: Schema
  readonly additionalProperties?: Schema
  readonly 'x-kubernetes-int-or-string'?: true
  readonly 'x-kubernetes-list-type'?: 'map' | 'set' | 'atomic'
  readonly 'x-kubernetes-list-map-keys'?: readonly string[]
  readonly 'x-kubernetes-map-type'?: 'atomic' | 'granular'
  readonly 'x-kubernetes-validations'?: readonly Rule[]
}

/** A rule for a string; the message takes the place of a `pattern`, whose own error shows the expression and no way out. */
export const matching = (expression: string, message: string): readonly Rule[] => [
  { rule: `self.matches(r'${expression}')`, message },
]

type Extra<K extends keyof Schema> = Partial<Pick<Schema, K | 'default' | 'x-kubernetes-validations'>>

export const str = (description: string, extra: Extra<'maxLength'> = {}): Schema => ({
  type: 'string',
  description,
  maxLength: 1024,
  ...extra,
})

export const oneOf = (description: string, values: readonly string[], extra: Extra<never> = {}): Schema => ({
  type: 'string',
  description,
  enum: values,
  ...extra,
})

export const int = (description: string, extra: Extra<'minimum' | 'maximum'> = {}): Schema => ({
  type: 'integer',
  description,
  format: 'int64',
  minimum: 0,
  ...extra,
})

export const bool = (description: string, extra: Extra<never> = {}): Schema => ({
  type: 'boolean',
  description,
  ...extra,
})

export const time = (description: string): Schema => ({ type: 'string', format: 'date-time', description })

const durationForm = "self.matches('^([0-9]{1,5}h)?([0-9]{1,5}m)?([0-9]{1,5}s)?$') && self.matches('[1-9]')"

/** A Go duration of whole units, as `90s`, `10m` or `1h30m`, between the two bounds; crds/duration.ts reads it. */
export const duration = (
  description: string,
  { from = '1s', to = '24h', ...extra }: Extra<never> & { from?: string; to?: string } = {},
): Schema => ({
  type: 'string',
  description: `${description} A duration such as 90s, 10m or 1h30m.`,
  maxLength: 32,
  ...extra,
  'x-kubernetes-validations': [
    { rule: durationForm, message: 'write a duration above zero in whole units, such as 90s, 10m or 1h30m' },
    {
      rule: `!(${durationForm}) || (duration(self) >= duration('${from}') && duration(self) <= duration('${to}'))`,
      message: `write a duration from ${from} to ${to}`,
    },
    ...(extra['x-kubernetes-validations'] ?? []),
  ],
})

export const intOrPercent = (description: string, extra: Extra<never> = {}): Schema => ({
  description,
  'x-kubernetes-int-or-string': true,
  ...extra,
})

export const obj = (
  description: string,
  properties: Readonly<Record<string, Schema>>,
  extra: Extra<'required'> & { 'x-kubernetes-map-type'?: 'atomic' | 'granular' } = {},
): Schema => ({ type: 'object', description, properties, ...extra })

export const map = (description: string, values: Schema, extra: Extra<'maxProperties'> = {}): Schema => ({
  type: 'object',
  description,
  additionalProperties: values,
  maxProperties: 64,
  ...extra,
})

export const list = (description: string, items: Schema, extra: Extra<'minItems' | 'maxItems'> = {}): Schema => ({
  type: 'array',
  description,
  items,
  maxItems: 64,
  'x-kubernetes-list-type': 'atomic',
  ...extra,
})

/** A list whose items are told apart by one key, so that two appliers can own different items. */
export const listMap = (
  description: string,
  key: string,
  items: Schema,
  extra: Extra<'minItems' | 'maxItems'> = {},
): Schema => ({
  ...list(description, items, extra),
  'x-kubernetes-list-type': 'map',
  'x-kubernetes-list-map-keys': [key],
})

/** metav1.Condition, as every Kubernetes API has it. */
export const conditions = (description: string): Schema =>
  listMap(
    description,
    'type',
    obj(
      'One observation of the latest state.',
      {
        type: str('Type of the condition, in CamelCase.', { maxLength: 316 }),
        status: oneOf('Whether the condition holds: True, False or Unknown.', ['True', 'False', 'Unknown']),
        observedGeneration: int('The metadata.generation that the condition was set upon.'),
        lastTransitionTime: time('When the status last changed.'),
        reason: str('One CamelCase word that says why.', { maxLength: 1024 }),
        message: str('A sentence for people.', { maxLength: 4096 }),
      },
      { required: ['type', 'status', 'lastTransitionTime', 'reason', 'message'] },
    ),
    { maxItems: 16 },
  )
