/** Writes what follows from the schemas: the CRD YAML and the TypeScript types. `npm run generate` calls it. */
import { compile } from 'json-schema-to-typescript'
import { stringify } from 'yaml'
import { crd, resources } from './crd.ts'
import { group } from './protocol.ts'
import type { Schema } from './schema.ts'

const banner = 'Generated from the schemas in crds/ by `npm run generate`. Do not edit.'

/** The CRDs as files of a chart's crds folder. */
export const generateCrds = (): { name: string; text: string }[] =>
  resources.map((resource) => ({
    name: `${group}_${resource.plural}.yaml`,
    text: `# ${banner}\n${stringify(crd(resource), { lineWidth: 120, aliasDuplicateObjects: false })}`,
  }))

/** An int-or-string has no type in a structural schema; everything else is what JSON Schema reads. */
const forTypes = (schema: Schema): object => {
  const {
    properties,
    items,
    additionalProperties,
    description,
    type,
    enum: values,
    required,
    maxItems: _bound,
    ...rest
  } = schema
  return {
    description,
    ...(rest['x-kubernetes-int-or-string'] ? { tsType: 'number | string' } : { type }),
    ...(values && { enum: values }),
    ...(required && { required }),
    ...(items && { items: forTypes(items) }),
    ...(type === 'object' && { additionalProperties: additionalProperties ? forTypes(additionalProperties) : false }),
    ...(properties && {
      properties: Object.fromEntries(Object.entries(properties).map(([name, value]) => [name, forTypes(value)])),
    }),
  }
}

export const generateTypes = async (): Promise<string> => {
  const parts = await Promise.all(
    resources.flatMap(({ kind, schema }) =>
      Object.entries(schema.properties ?? {}).map(([part, value]) => {
        const name = `${kind}${part === 'spec' ? 'Spec' : 'Status'}`
        return compile({ ...forTypes(value), title: name }, name, {
          bannerComment: '',
          additionalProperties: false,
          format: false,
        })
      }),
    ),
  )
  const objects = resources.map(
    ({ kind, schema }) => `/** ${schema.description} */
export interface ${kind} {
  apiVersion: 'drydock.dev/v1alpha1'
  kind: '${kind}'
  metadata: ObjectMeta
  spec${schema.required?.includes('spec') ? '' : '?'}: ${kind}Spec
  status?: ${kind}Status
}`,
  )
  return `// ${banner}

/** The part of Kubernetes' metadata that Drydock reads or writes. */
export interface ObjectMeta {
  name: string
  uid?: string
  generation?: number
  resourceVersion?: string
  creationTimestamp?: string
  deletionTimestamp?: string
  labels?: Record<string, string>
  annotations?: Record<string, string>
  finalizers?: string[]
  ownerReferences?: { apiVersion: string; kind: string; name: string; uid: string; controller?: boolean; blockOwnerDeletion?: boolean }[]
}

${objects.join('\n\n')}

${parts.join('\n')}`
}
