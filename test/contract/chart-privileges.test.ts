import { readFile } from 'node:fs/promises'
import t from 'tap'
import { parseAllDocuments } from 'yaml'
import { generateCharts } from '../../charts/cdk8s/generate.ts'
import { helm } from '../support/helm.ts'

interface Container {
  name: string
  image: string
  command?: string[]
  args?: string[]
  securityContext: Record<string, unknown>
  volumeMounts: { name: string; readOnly?: boolean; mountPath: string }[]
}

interface PodSpec {
  containers: Container[]
  initContainers?: Container[]
  [field: string]: unknown
}

interface Rule {
  apiGroups: string[]
  resources: string[]
  verbs: string[]
}

interface Manifest {
  kind: string
  metadata: { name: string; namespace?: string; annotations?: Record<string, string> }
  rules?: Rule[]
  subjects?: { name: string; namespace: string }[]
  roleRef?: { kind: string; name: string }
  spec?: { template?: { spec: PodSpec }; [field: string]: unknown }
}

const render = async (...sets: string[]): Promise<Manifest[]> => {
  const flags = sets.flatMap((set) => ['--set-json', set])
  const text = await helm('template', 'drydock', 'charts/drydock', '--namespace', 'dry', ...flags)
  return parseAllDocuments(text).flatMap((document) => (document.contents ? [document.toJSON() as Manifest] : []))
}

const manifests = await render()
const agent = JSON.parse(generateCharts()['charts/agent-daemonset.gen.json']!) as Manifest
const named = (kind: string, name: string) => manifests.find((one) => one.kind === kind && one.metadata.name === name)!
const rights = (rules: Rule[] = []) =>
  rules.flatMap(({ apiGroups, resources, verbs }) =>
    resources.map((resource) => `${[...apiGroups].join()}/${resource}: ${verbs.join(' ')}`),
  )
const podOf = (manifest: Manifest) => manifest.spec!.template!.spec
const containersOf = (pod: PodSpec) => [...(pod.initContainers ?? []), ...pod.containers]
const workloads = [agent, ...manifests.filter(({ spec }) => spec?.template)]

t.test('the chart lints', async (t) => {
  t.match(await helm('lint', '--strict', 'charts/drydock'), '1 chart(s) linted, 0 chart(s) failed')
})

t.test('generated templates are fresh', async (t) => {
  for (const [path, text] of Object.entries(generateCharts())) {
    t.equal(await readFile(path, 'utf8'), text, `${path}: run npm run generate`)
  }
})

t.test('the agent may read NodeRuntimes and write their status, and nothing else', async (t) => {
  t.strictSame(rights(named('ClusterRole', 'drydock-agent').rules), [
    'drydock.dev/noderuntimes: get list watch',
    'drydock.dev/noderuntimes/status: patch',
  ])
})

t.test('the rights of the operator are these', async (t) => {
  t.strictSame(rights(named('ClusterRole', 'drydock-operator').rules), [
    'drydock.dev/runtimeprofiles: get list watch patch',
    'drydock.dev/noderuntimes: get list watch create patch delete',
    'drydock.dev/migrationreports: get list watch create patch delete',
    'drydock.dev/runtimeprofiles/status: patch',
    'drydock.dev/migrationreports/status: patch',
    '/nodes: get list watch patch',
    '/pods: list watch',
    '/pods/eviction: create',
    'policy/poddisruptionbudgets: list',
    'node.k8s.io/runtimeclasses: list watch create patch delete',
    'events.k8s.io/events: create patch',
  ])
  t.strictSame(rights(named('Role', 'drydock-operator').rules), [
    'apps/daemonsets: list watch create patch delete',
    'coordination.k8s.io/leases: get create patch',
  ])
})

t.test('nobody else gets any right', async (t) => {
  const bindings = manifests.filter(({ kind }) => kind.endsWith('RoleBinding'))
  const given = bindings.map(({ kind, roleRef, subjects }) => [
    kind,
    roleRef?.name,
    subjects?.map(({ namespace, name }) => `${namespace}/${name}`).join(),
  ])
  t.strictSame(given.sort(), [
    ['ClusterRoleBinding', 'drydock-agent', 'dry/drydock-agent'],
    ['ClusterRoleBinding', 'drydock-operator', 'dry/drydock-operator'],
    ['RoleBinding', 'drydock-operator', 'dry/drydock-operator'],
  ])
  const every = manifests.flatMap(({ rules }) => rights(rules))
  t.notOk(every.some((right) => /\*|secrets|escalate|bind|impersonate/.test(right)))
})

for (const workload of workloads) {
  const pod = podOf(workload)
  t.test(`the pods of ${workload.kind} ${workload.metadata.name}`, async (t) => {
    t.notOk(pod['hostNetwork'] || pod['hostIPC'])
    t.equal(pod['hostPID'] ?? false, workload === agent, 'only the installer has to be seen by systemd')
    t.equal(pod['automountServiceAccountToken'], false)
    t.match(pod['priorityClassName'], /^system-(node|cluster)-critical$/)
    const [token] = (pod['volumes'] as { projected?: { sources: object[] } }[]).flatMap(({ projected }) =>
      projected ? [projected] : [],
    )
    t.match(token?.sources, [{ serviceAccountToken: { expirationSeconds: 3600 } }], 'a token that ends within the hour')
    for (const { name, securityContext } of containersOf(pod)) {
      t.equal(securityContext['readOnlyRootFilesystem'], true, `${name} cannot write into its image`)
      if (name === 'installer') continue
      t.notOk(securityContext['privileged'], `${name} is not privileged`)
      t.equal(securityContext['allowPrivilegeEscalation'], false)
      t.strictSame(securityContext['capabilities'], { drop: ['ALL'] })
      const user = { ...(pod['securityContext'] as object), ...securityContext }
      t.match(user, { runAsNonRoot: true, runAsUser: 65532, seccompProfile: { type: 'RuntimeDefault' } })
    }
  })
}

t.test('of the host the courier has the folder of one socket, the installer all', async (t) => {
  const pod = podOf(agent)
  const host = new Map(
    (pod['volumes'] as { name: string; hostPath?: { path: string } }[]).flatMap(({ name, hostPath }) =>
      hostPath ? [[name, hostPath.path] as const] : [],
    ),
  )
  const mounts = ({ volumeMounts }: Container) => volumeMounts.flatMap(({ name }) => host.get(name) ?? [])
  t.strictSame(Object.fromEntries(containersOf(pod).map((one) => [one.name, mounts(one)])), {
    installer: ['/'],
    courier: ['/run/drydock'],
  })
})

t.test('the agent goes wherever there is a kubelet', async (t) => {
  t.strictSame(podOf(agent)['tolerations'], [{ operator: 'Exists' }])
  t.strictSame(podOf(agent)['nodeSelector'], { 'kubernetes.io/os': 'linux' })
})

t.test('values reach the operator', async (t) => {
  const digest = `sha256:${'a'.repeat(64)}`
  const rendered = await render(
    `images.agent={"repository":"r:5000/a","tag":"${digest}"}`,
    'images.operator={"repository":"r/o","tag":"v9"}',
    'images.pullSecrets=["one"]',
    'images.pullPolicy="Never"',
    'operator.tolerations=[{"key":"k","operator":"Exists"}]',
    'networkPolicy.enabled=false',
  )
  const operator = podOf(rendered.find(({ kind }) => kind === 'Deployment')!)
  const [container] = operator.containers
  t.equal(container!.image, 'r/o:v9')
  t.match(
    container!.args?.join(' '),
    `--agent-image=r:5000/a@${digest} --agent-pull-policy=Never --agent-pull-secret=one`,
  )
  t.match(operator['imagePullSecrets'], [{ name: 'one' }])
  t.equal((operator['tolerations'] as object[]).length, 2)
  t.notOk(rendered.some(({ kind }) => kind === 'NetworkPolicy'))
})

t.test('the operator runs on Linux nodes, however often that is said', async (t) => {
  const selectorWith = async (labels: object) => {
    const rendered = await render(`operator.nodeSelector=${JSON.stringify(labels)}`)
    return podOf(rendered.find(({ kind }) => kind === 'Deployment')!)['nodeSelector']
  }
  const linux = { 'kubernetes.io/os': 'linux' }
  t.strictSame(await selectorWith({}), linux)
  t.strictSame(await selectorWith(linux), linux)
  t.strictSame(await selectorWith({ pool: 'infra' }), { ...linux, pool: 'infra' })
})

t.test('what gates may read is what the values grant, and nothing else', async (t) => {
  const rule = { apiGroups: ['apps'], resources: ['deployments'], verbs: ['get'] }
  const rendered = await render(`operator.gateRules=${JSON.stringify([rule])}`)
  const role = rendered.find(
    ({ kind, metadata }) => kind === 'ClusterRole' && metadata.name === 'drydock-operator-gates',
  )
  t.strictSame(role?.rules, [rule])
  const binding = rendered.find(
    ({ kind, metadata }) => kind === 'ClusterRoleBinding' && metadata.name === 'drydock-operator-gates',
  )
  t.match(binding, {
    roleRef: { kind: 'ClusterRole', name: 'drydock-operator-gates' },
    subjects: [{ name: 'drydock-operator', namespace: 'dry' }],
  })
  t.notOk(manifests.some(({ metadata }) => metadata.name === 'drydock-operator-gates'))
})

const refused: [value: string, says: string][] = [
  ['image="x"', "additional properties 'image' not allowed"],
  ['images.operator={"repository":"r","digest":"x"}', "additional properties 'digest' not allowed"],
  ['images.operator={"repository":"Upper/Case"}', 'does not match pattern'],
  ['images.agent={"repository":"r","tag":"a b"}', 'does not match pattern'],
  ['images.pullPolicy="Sometimes"', "value must be one of 'Always', 'IfNotPresent', 'Never'"],
  ['operator.replicas=0', 'minimum: got 0, want 1'],
  ['operator.logLevel="loud"', 'value must be one of'],
  [
    'operator.gateRules=[{"apiGroups":[""],"resources":["pods"],"verbs":["delete"]}]',
    "value must be one of 'get', 'list'",
  ],
  ['networkPolicy.enabled="yes"', 'got string, want boolean'],
  ['operator=null', "missing property 'operator'"],
  ['images=null', "missing property 'images'"],
  ['images.operator=null', "missing property 'operator'"],
  ['networkPolicy=null', "missing property 'networkPolicy'"],
  ['operator.logLevel=null', "missing property 'logLevel'"],
  ['operator.nodeSelector={"kubernetes.io/os":"windows"}', "must be 'linux'"],
]
t.test('values that mean nothing are refused by name', async (t) => {
  for (const [value, says] of refused) await t.rejects(render(value), { message: new RegExp(says) }, value)
})

t.test('leaving is a hook that helm waits for, and that ends before helm gives up', async (t) => {
  const job = named('Job', 'drydock-uninstall')
  t.equal(job.metadata.annotations?.['helm.sh/hook'], 'pre-delete')
  t.equal(job.metadata.annotations?.['helm.sh/hook-delete-policy'], 'before-hook-creation', 'its log stays')
  t.equal(job.spec?.['ttlSecondsAfterFinished'], 86_400)
  t.ok(Number(job.spec?.['activeDeadlineSeconds']) < 300)
  t.match(podOf(job).containers[0]?.args, ['/app/operator.cjs', 'uninstall'])
})
