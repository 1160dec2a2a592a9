/**
 * The CEL rules of RuntimeProfile: what the API server refuses, each with the sentence that says what to write.
 *
 * A rule stands on the field that it is about and so runs only when that field is set: no rule has to ask for
 * absent parents, and the API server names the field before the sentence.
 */
import { matching, type Rule } from '../schema.ts'

const labelKey = '^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$'
const imageName =
  '^([a-z0-9-]+(\\.[a-z0-9-]+)+(:[0-9]+)?|[a-z0-9-]+:[0-9]+|localhost)(/[a-z0-9]+([._-]+[a-z0-9]+)*)+(:[A-Za-z0-9_][A-Za-z0-9._-]*)?(@sha256:[0-9a-f]{64})?$'

/** A field of the API that this version does not act on yet: refused by name, never ignored. Docs mark it as such. */
export const notSupported = (path: string): readonly Rule[] => [
  {
    rule: 'false',
    message: `spec.${path} is not supported in this version; remove it`,
    reason: 'FieldValueForbidden',
  },
]

export const profileRules: readonly Rule[] = [
  {
    rule: 'self.metadata.name.size() <= 63',
    message: 'metadata.name: write at most 63 characters; the name becomes the value of a label',
  },
]

export const labelsRules: readonly Rule[] = [
  {
    rule: `self.all(key, key.matches('${labelKey}'))`,
    message: 'write label keys such as pool or example.com/pool',
  },
]
export const labelKeyRules = matching(labelKey, 'write a label key such as pool or example.com/pool')
export const labelValueRules = matching(
  '^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$',
  'write a label value: letters, digits, - _ and . with a letter or digit at both ends',
)

export const requirementRules: readonly Rule[] = [
  {
    rule: "!(self.operator in ['In', 'NotIn']) || (has(self.values) && self.values.size() > 0)",
    message: 'operators In and NotIn need values; write at least one, or use Exists or DoesNotExist',
  },
  {
    rule: "self.operator in ['In', 'NotIn'] || !has(self.values) || self.values.size() == 0",
    message: 'operators Exists and DoesNotExist take no values; remove values',
  },
]

export const engineVersionRules = matching(
  '^[0-9]+(\\.[0-9]+){0,2}([-+~][0-9A-Za-z.+~-]*[0-9A-Za-z])?$',
  'write a version without a leading v: exact such as 2.3.7, a minor such as 2.3 or a major such as 2; leave it out for whatever is installed',
)
export const engineSourceRules: readonly Rule[] = [
  {
    rule: '[has(self.package), has(self.archive), has(self.preinstalled)].filter(given, given).size() == 1',
    message: 'write exactly one source, such as {preinstalled: {}}, or remove source',
  },
]
export const archiveUrlRules = (example: string): readonly Rule[] =>
  matching('^https://[^/ ]+/[^ ]+$', `write an https address such as ${example}`)
export const sha256Rules = matching(
  '^[0-9a-f]{64}$',
  'write the SHA-256 of the file: 64 digits of lower-case hexadecimal',
)

/** Removing a store cannot be undone, and nothing says yet when a node has soaked long enough for it. */
export const previousEngineRules: readonly Rule[] = [
  {
    rule: "self != 'purge'",
    message: 'purge is not supported in this version; write disable, and remove what the report names as residue',
  },
]

export const dnsLabelRules = matching(
  '^[a-z0-9]([-a-z0-9]*[a-z0-9])?$',
  'write a DNS label: lower-case letters, digits and -, with a letter or digit at both ends, such as crun',
)
export const dnsNameRules = matching(
  '^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$',
  'write a DNS name: lower-case letters, digits, - and ., with a letter or digit at both ends, such as crun',
)
export const handlerTypeRules: readonly Rule[] = [
  {
    rule: "self in ['runc', 'crun']",
    message: 'runsc and kata are not supported in this version; write runc or crun, or remove the handler',
  },
]
export const pathRules = (example: string): readonly Rule[] => [
  ...matching('^/[A-Za-z0-9._+-]+(/[A-Za-z0-9._+-]+)*$', `write an absolute path such as ${example}`),
  { rule: "!self.matches(r'/[.][.]?(/|$)')", message: `write the path without . and .., such as ${example}` },
]
export const podAnnotationRules = matching(
  '^([A-Za-z0-9][A-Za-z0-9._/-]*[*]?|[*])$',
  'write an annotation key such as example.com/device, or a prefix with * at its end such as example.com/*',
)
export const handlerRules: readonly Rule[] = [
  {
    rule: "has(self.type) || self.name in ['runc', 'crun']",
    message: 'write type: runc or type: crun; it can be left out only when the name of the handler is runc or crun',
  },
  {
    rule: '!has(self.archive) || !has(self.binary)',
    message: 'write archive or binary, not both: binary names a program that is on the node already',
  },
]
export const handlersRules: readonly Rule[] = [
  {
    rule: 'self.filter(h, has(h.default) && h.default).size() <= 1',
    message: 'only one handler can be the default; write default: true once',
  },
  {
    rule: 'self.all(h, !has(h.runtimeClass) || self.exists_one(o, has(o.runtimeClass) && (has(o.runtimeClass.name) ? o.runtimeClass.name : o.name) == (has(h.runtimeClass.name) ? h.runtimeClass.name : h.name)))',
    message: 'two handlers ask for the same RuntimeClass; write runtimeClass.name so that each has its own',
  },
]

export const sandboxImageRules: readonly Rule[] = [
  ...matching(imageName, 'write an image with its registry, such as registry.k8s.io/pause:3.10.2'),
  {
    rule: "self.matches('(:[A-Za-z0-9_][A-Za-z0-9._-]*|@sha256:[0-9a-f]{64})$')",
    message: 'write the tag or the digest of the image too, such as registry.k8s.io/pause:3.10.2',
  },
]

export const registryHostRules = matching(
  '^[A-Za-z0-9.-]+(:[0-9]+)?$',
  'write a registry host such as docker.io or registry.example:5000',
)
export const addressRules = matching(
  '^https?://[^ ]+$',
  'write an http or https address such as https://proxy.example:3128',
)

export const maxUnavailableRules: readonly Rule[] = [
  {
    rule: "type(self) == int ? self >= 1 : self.matches('^([1-9][0-9]?|100)%$')",
    message: 'write a number of at least 1 or a percentage from 1% to 100%, such as 1 or 10%',
  },
]
/** One field of a cron expression: `*`, numbers, ranges and steps, several of them with commas between. */
const cronField = (value: string): string => {
  const item = `([*](/[1-9][0-9]?)?|(${value})(-(${value})(/[1-9][0-9]?)?)?)`
  return `${item}(,${item})*`
}
const cronFields = [
  '[1-5]?[0-9]',
  '1?[0-9]|2[0-3]',
  '[1-9]|[12][0-9]|3[01]',
  '[1-9]|1[0-2]|JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEP|OCT|NOV|DEC',
  '[0-7]|SUN|MON|TUE|WED|THU|FRI|SAT',
]
/** The form only: whether such a time ever comes is for the operator to see. */
export const cronRules = matching(
  `^${cronFields.map(cronField).join(' ')}$`,
  'write five fields with one space between: minute, hour, day of the month, month and weekday, such as 0 1 * * MON-FRI',
)
/** The form only: which time zones there are is for the operator to know. */
export const timeZoneRules = matching(
  '^[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+){0,2}$',
  'write the IANA name of a time zone, such as Asia/Ho_Chi_Minh or UTC',
)

export const apiVersionRules = matching(
  '^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?v[0-9]+((alpha|beta)[0-9]+)?$',
  'write group and version such as apps/v1, or v1 for the core group',
)
export const kindRules = matching('^[A-Z][A-Za-z0-9]*$', 'write a kind such as Deployment')
export const gateObjectRules: readonly Rule[] = [
  {
    rule: '!(has(self.name) && has(self.labelSelector))',
    message: 'write name for one object or labelSelector for several, not both',
  },
]

export const disableEvictionRules: readonly Rule[] = [
  {
    rule: '!self',
    message: 'spec.rollout.drain.disableEviction: true is not supported in this version; write false or remove it',
  },
]
