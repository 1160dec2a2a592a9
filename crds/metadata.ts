/** What every Kubernetes object has beside its own fields, for the offline validator: a CRD leaves it out. */

const subdomain = '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*'
const qualified = '([A-Za-z0-9][-A-Za-z0-9_.]{0,61})?[A-Za-z0-9]'
const key = `^(${subdomain}/)?${qualified}$`

/** The forms of strings, by the words that a person reads after `write a`. */
export const forms: Readonly<Record<string, RegExp>> = {
  'DNS-1123 subdomain (lower-case letters, digits, - and .)': new RegExp(`^${subdomain}$`),
  'DNS-1123 prefix (lower-case letters, digits, - and .)': /^[a-z0-9][-a-z0-9.]*$/,
  'label key such as example.com/tier': new RegExp(key),
  'key such as example.com/note': new RegExp(key, 'i'),
  'label value (at most 63 letters, digits, -, _ and .)': new RegExp(`^(${qualified})?$`),
  'finalizer such as example.com/guard': new RegExp(key),
}

const [name, prefix, labelKey, annotationKey, labelValue, finalizer] = Object.keys(forms)

const text = { type: 'string' }
const integer = { type: 'integer' }

export const metadataSchema = {
  type: 'object',
  additionalProperties: false,
  if: { required: ['generateName'] },
  else: { required: ['name'] },
  properties: {
    name: { type: 'string', maxLength: 253, format: name },
    generateName: { type: 'string', maxLength: 253, format: prefix },
    namespace: text,
    uid: text,
    resourceVersion: text,
    generation: integer,
    selfLink: text,
    creationTimestamp: text,
    deletionTimestamp: text,
    deletionGracePeriodSeconds: integer,
    labels: {
      type: 'object',
      propertyNames: { format: labelKey },
      additionalProperties: { type: 'string', format: labelValue },
    },
    annotations: { type: 'object', propertyNames: { format: annotationKey }, additionalProperties: text },
    finalizers: { type: 'array', items: { type: 'string', format: finalizer } },
    ownerReferences: { type: 'array', items: { type: 'object' } },
    managedFields: { type: 'array', items: { type: 'object' } },
  },
}
