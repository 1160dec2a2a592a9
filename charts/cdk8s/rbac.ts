/** Who may do what. Each rule is there for one thing that the code does; a test compares the sum with a written list. */
import { Chart } from 'cdk8s'
import { k8s } from 'cdk8s-plus-27'
import type { Construct } from 'constructs'
import { group } from '../../crds/protocol.ts'
import { agentName, operatorName } from './names.ts'

/** Filled in by Helm. */
const namespace = '{{ .Release.Namespace }}'
const rbac = 'rbac.authorization.k8s.io'

const rule = (apiGroup: string, resources: string[], verbs: string[]): k8s.PolicyRule => ({
  apiGroups: [apiGroup],
  resources,
  verbs,
})

const read = ['get', 'list', 'watch']

const operatorClusterRules: k8s.PolicyRule[] = [
  rule(group, ['runtimeprofiles'], [...read, 'patch']),
  rule(group, ['noderuntimes', 'migrationreports'], [...read, 'create', 'patch', 'delete']),
  rule(group, ['runtimeprofiles/status', 'migrationreports/status'], ['patch']),
  // Patches are narrowed to cordon, labels and annotations of ours by a ValidatingAdmissionPolicy.
  rule('', ['nodes'], [...read, 'patch']),
  rule('', ['pods'], ['list', 'watch']),
  rule('', ['pods/eviction'], ['create']),
  rule('policy', ['poddisruptionbudgets'], ['list']),
  rule('node.k8s.io', ['runtimeclasses'], ['list', 'watch', 'create', 'patch', 'delete']),
  rule('events.k8s.io', ['events'], ['create', 'patch']),
]

const operatorNamespaceRules: k8s.PolicyRule[] = [
  rule('apps', ['daemonsets'], ['list', 'watch', 'create', 'patch', 'delete']),
  rule('coordination.k8s.io', ['leases'], ['get', 'create', 'patch']),
]

const agentClusterRules: k8s.PolicyRule[] = [
  rule(group, ['noderuntimes'], read),
  // Narrowed to the agent's own node by a ValidatingAdmissionPolicy.
  rule(group, ['noderuntimes/status'], ['patch']),
]

export class AccessChart extends Chart {
  constructor(scope: Construct, id: string) {
    super(scope, id)
    this.#account(operatorName, operatorClusterRules)
    this.#account(agentName, agentClusterRules)
    new k8s.KubeRole(this, 'operator-role', {
      metadata: { name: operatorName, namespace },
      rules: operatorNamespaceRules,
    })
    new k8s.KubeRoleBinding(this, 'operator-role-binding', {
      metadata: { name: operatorName, namespace },
      roleRef: { apiGroup: rbac, kind: 'Role', name: operatorName },
      subjects: [{ kind: 'ServiceAccount', name: operatorName, namespace }],
    })
  }

  #account(name: string, rules: k8s.PolicyRule[]): void {
    new k8s.KubeServiceAccount(this, `${name}-account`, {
      metadata: { name, namespace },
      // Pods ask for the token that they need by a projected volume.
      automountServiceAccountToken: false,
    })
    new k8s.KubeClusterRole(this, `${name}-cluster-role`, { metadata: { name }, rules })
    new k8s.KubeClusterRoleBinding(this, `${name}-cluster-role-binding`, {
      metadata: { name },
      roleRef: { apiGroup: rbac, kind: 'ClusterRole', name },
      subjects: [{ kind: 'ServiceAccount', name, namespace }],
    })
  }
}
