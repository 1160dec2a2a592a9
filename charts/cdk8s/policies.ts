/**
 * What RBAC cannot say, as ValidatingAdmissionPolicies: which node an agent speaks for, and which fields of a Node
 * the operator touches. The API server evaluates them by itself; no webhook has to live.
 */
import { ApiObject, Chart } from 'cdk8s'
import type { Construct } from 'constructs'
import { criSocketAnnotation, group, labels, startupTaint } from '../../crds/protocol.ts'
import { agentName, operatorName } from './names.ts'

interface Validation {
  expression: string
  message?: string
  messageExpression?: string
}

interface Policy {
  name: string
  account: string
  rule: { apiGroups: string[]; apiVersions: string[]; operations: string[]; resources: string[] }
  variables: { name: string; expression: string }[]
  validations: Validation[]
}

/** Claim of a token that is bound to a pod: the node that the pod was on when the token was made. */
const nodeClaim = 'authentication.kubernetes.io/node-name'

const agentPolicy: Policy = {
  name: 'drydock-agent-own-node',
  account: agentName,
  rule: {
    apiGroups: [group],
    apiVersions: ['*'],
    operations: ['CREATE', 'UPDATE', 'DELETE'],
    resources: ['*/*'],
  },
  variables: [
    {
      name: 'node',
      // A token that is bound to no pod names no node: it may write nothing.
      expression: `request.userInfo.?extra[?'${nodeClaim}'][?0].orValue('')`,
    },
  ],
  validations: [
    {
      expression: "variables.node != ''",
      message: `the token of the agent names no node (${nodeClaim}): use the token that the kubelet projects into the agent's pod`,
    },
    {
      expression: "request.resource.resource == 'noderuntimes' && request.?subResource.orValue('') == 'status'",
      message: 'an agent writes the status of its NodeRuntime and nothing else',
    },
    {
      expression: 'request.name == variables.node',
      messageExpression:
        "'the agent of node ' + variables.node + ' may not write the NodeRuntime of node ' + request.name",
    },
  ],
}

/** The keys that are ours, for each map of a Node's metadata, and how a sentence names them. */
const ownKeys = [
  {
    field: 'labels',
    isOurs: `(k.startsWith('${group}/') || k.startsWith('${labels.handlerPrefix}'))`,
    names: `those below ${group}/ and ${labels.handlerPrefix}`,
  },
  {
    field: 'annotations',
    isOurs: `(k.startsWith('${group}/') || k == '${criSocketAnnotation}')`,
    names: `those below ${group}/ and ${criSocketAnnotation}`,
  },
]

/** True when two maps differ only in keys of ours. */
const sameButOurs = ({ field, isOurs }: (typeof ownKeys)[number]): string => {
  const [now, before] = [`variables.${field}`, `variables.${field}Before`]
  return `${now}.all(k, ${isOurs} || (k in ${before} && ${now}[k] == ${before}[k])) && ${before}.all(k, ${isOurs} || k in ${now})`
}

const mapOf = (object: string, field: string): string => `${object}.metadata.?${field}.orValue({})`

const specFields = ['podCIDR', 'podCIDRs', 'providerID', 'configSource', 'externalID']
const taintsOf = (object: string): string => `${object}.spec.?taints.orValue([])`
const others = `filter(t, t.key != '${startupTaint.key}' || t.effect != '${startupTaint.effect}')`

const operatorPolicy: Policy = {
  name: 'drydock-operator-nodes',
  account: operatorName,
  rule: { apiGroups: [''], apiVersions: ['v1'], operations: ['UPDATE'], resources: ['nodes'] },
  variables: ownKeys.flatMap(({ field }) => [
    { name: field, expression: mapOf('object', field) },
    { name: `${field}Before`, expression: mapOf('oldObject', field) },
  ]),
  validations: [
    {
      expression: specFields.map((field) => `object.spec.?${field} == oldObject.spec.?${field}`).join(' && '),
      message: 'of the spec of a Node, the operator of Drydock changes unschedulable and nothing else',
    },
    {
      expression: `${taintsOf('object')} == ${taintsOf('oldObject')} || ${taintsOf('object')} == ${taintsOf('oldObject')}.${others}`,
      message: `of the taints of a Node, the operator of Drydock takes ${startupTaint.key} away and touches no other`,
    },
    ...ownKeys.map((own) => ({
      expression: sameButOurs(own),
      message: `of the ${own.field} of a Node, the operator of Drydock changes ${own.names} and no others`,
    })),
    {
      expression: ['finalizers', 'ownerReferences']
        .map((field) => `object.metadata.?${field} == oldObject.metadata.?${field}`)
        .join(' && '),
      message: 'the operator of Drydock does not change finalizers or owners of a Node',
    },
  ],
}

export class PolicyChart extends Chart {
  constructor(scope: Construct, id: string) {
    super(scope, id)
    for (const policy of [agentPolicy, operatorPolicy]) this.#add(policy)
  }

  #add({ name, account, rule, variables, validations }: Policy): void {
    const apiVersion = 'admissionregistration.k8s.io/v1'
    new ApiObject(this, name, {
      apiVersion,
      kind: 'ValidatingAdmissionPolicy',
      metadata: { name },
      spec: {
        failurePolicy: 'Fail',
        matchConstraints: { resourceRules: [rule] },
        matchConditions: [
          {
            name: account,
            expression: `request.userInfo.username == 'system:serviceaccount:{{ .Release.Namespace }}:${account}'`,
          },
        ],
        variables,
        validations: validations.map((validation) => ({ ...validation, reason: 'Forbidden' })),
      },
    })
    new ApiObject(this, `${name}-binding`, {
      apiVersion,
      kind: 'ValidatingAdmissionPolicyBinding',
      metadata: { name },
      spec: { policyName: name, validationActions: ['Deny'] },
    })
  }
}
