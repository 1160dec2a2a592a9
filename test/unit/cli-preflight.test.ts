import t from 'tap'
import { findingsOf } from '../../cli/preflight/checks.ts'
import { type Cluster, lookAt, type NodeObject, type Pod, type Scope } from '../../cli/preflight/cluster.ts'
import type { NodeRuntime, NodeRuntimeStatus, RuntimeProfile } from '../../crds/types.gen.ts'
import type { BudgetObject } from '../../operator/controllers/drain/disruption.ts'

const node = (
  name: string,
  more: Partial<NodeObject['status'] & { labels: object; cordoned: boolean; ready: string }> = {},
) => {
  const { labels = {}, cordoned = false, ready = 'True', nodeInfo } = more
  return {
    metadata: { name, labels: { pool: 'workers', ...labels } },
    spec: cordoned ? { unschedulable: true } : {},
    status: {
      conditions: [{ type: 'Ready', status: ready }],
      nodeInfo: { containerRuntimeVersion: 'containerd://1.7.24', ...nodeInfo },
    },
  } as NodeObject
}

const docker = { nodeInfo: { containerRuntimeVersion: 'docker://20.10.7' } }

const pod = (
  name: string,
  more: { on?: string; owner?: string; labels?: Record<string, string> } & Pod['spec'] & {
      status?: Pod['status']
    } = {},
): Pod => {
  const {
    on = 'w1',
    owner = 'ReplicaSet/shop-7f',
    labels = { app: 'shop', 'pod-template-hash': '7f' },
    status,
    ...spec
  } = more
  const [kind = '', ownerName = ''] = owner.split('/')
  return {
    metadata: {
      namespace: 'shop',
      name,
      labels,
      ...(kind && { ownerReferences: [{ apiVersion: 'v1', kind, name: ownerName, uid: 'u', controller: true }] }),
    },
    spec: { nodeName: on, containers: [{ name: 'main', image: 'shop:1' }], ...spec },
    status: status ?? { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] },
  }
}

const mounts = (...paths: string[]) => ({ volumes: paths.map((path) => ({ name: 'v', hostPath: { path } })) })

const budget = (status: BudgetObject['status'], spec: BudgetObject['spec'] = {}, name = 'shop'): BudgetObject => ({
  metadata: { namespace: 'shop', name },
  spec: { selector: { matchLabels: { app: 'shop' } }, ...spec },
  ...(status && { status }),
})

const profile = (name: string, rollout: object = {}, nodeSelector: object = { matchLabels: { pool: 'workers' } }) =>
  ({ metadata: { name }, spec: { nodeSelector, engine: { name: 'containerd' }, rollout } }) as RuntimeProfile

const moving = (name: 'containerd' | 'cri-o', migration: RuntimeProfile['spec']['migration'] = {}) => {
  const { metadata, spec } = profile('p')
  return { metadata, spec: { ...spec, engine: { name }, migration } } as RuntimeProfile
}

const runtime = (name: string, status: NodeRuntimeStatus = {}): NodeRuntime =>
  ({
    metadata: { name },
    spec: { permit: 'Prepare', revision: 'r', attempt: 1 },
    status: {
      revision: 'r',
      attempt: 1,
      phase: 'Prepared',
      observed: { cgroup: { engineDriver: 'systemd', kubeletDriver: 'systemd' } },
      ...status,
    },
  }) as NodeRuntime

const two = [node('w1'), node('w2')]
const closed = { disruptionsAllowed: 0, currentHealthy: 2, desiredHealthy: 2, expectedPods: 3 }

const look = (cluster: Partial<Cluster>, scope: Scope = {}) =>
  findingsOf(
    lookAt(
      { nodes: two, pods: [], budgets: [], runtimeClasses: [], profiles: undefined, runtimes: [], ...cluster },
      scope,
    ),
  ).map(({ severity, subject, what, advice }) => `${severity} | ${subject} | ${what} | ${advice}`)

const cases: readonly [name: string, cluster: Partial<Cluster>, findings: readonly RegExp[], scope?: Scope][] = [
  ['a quiet cluster', { pods: [pod('a')], budgets: [budget({ ...closed, disruptionsAllowed: 1 })] }, []],
  [
    'a budget that allows nothing now',
    { pods: [pod('a'), pod('b', { on: 'w2' })], budgets: [budget(closed)] },
    [
      /^Blocking \| PodDisruptionBudget shop\/shop \| allows 0 disruptions now \(2 healthy, 2 needed, 3 expected\) and holds shop\/a on w1, shop\/b on w2 \| make its pods healthy: kubectl get pods -n shop$/,
    ],
  ],
  [
    'a budget that never allows one',
    { pods: [pod('a')], budgets: [budget({ ...closed, expectedPods: 2 })] },
    [/add a replica/],
  ],
  [
    'a budget that no controller has looked at',
    { pods: [pod('a')], budgets: [budget(undefined)] },
    [/allows 0 disruptions.*not counted yet/],
  ],
  [
    'a budget that holds pods of other nodes only',
    { pods: [pod('a', { on: 'w2' })], budgets: [budget(closed)] },
    [],
    { nodes: ['w1'] },
  ],
  [
    'a budget of another namespace',
    { pods: [pod('a')], budgets: [{ ...budget(closed), metadata: { namespace: 'x', name: 'shop' } }] },
    [],
  ],
  ['a budget without a selector covers nothing', { pods: [pod('a')], budgets: [{ ...budget(closed), spec: {} }] }, []],
  [
    'a budget with an empty selector covers all',
    { pods: [pod('a')], budgets: [budget(closed, { selector: {} })] },
    [/shop\/a on w1/],
  ],
  [
    'pods that a drain leaves alone',
    {
      pods: [pod('a', { owner: 'DaemonSet/d' }), pod('b', { status: { phase: 'Succeeded' } })],
      budgets: [budget(closed)],
    },
    [],
  ],
  [
    'a pod that is not ready may leave',
    { pods: [pod('a', { status: { phase: 'Running' } })], budgets: [budget(closed)] },
    [],
  ],
  [
    'but not while its budget lacks healthy pods',
    { pods: [pod('a', { status: { phase: 'Running' } })], budgets: [budget({ ...closed, currentHealthy: 1 })] },
    [/allows 0 disruptions/],
  ],
  [
    'unless the budget lets unhealthy pods go',
    {
      pods: [pod('a', { status: { phase: 'Running' } })],
      budgets: [budget({ ...closed, currentHealthy: 1 }, { unhealthyPodEvictionPolicy: 'AlwaysAllow' })],
    },
    [],
  ],
  [
    'two budgets over one pod',
    { pods: [pod('a')], budgets: [budget(closed), budget({ ...closed, disruptionsAllowed: 1 }, {}, 'other')] },
    [/^Blocking \| Pod shop\/a \| is covered by 2 PodDisruptionBudgets \(shop, other\)/],
  ],
  [
    'nodes whose prepared change needs no drain',
    {
      pods: [pod('a', { owner: '' })],
      budgets: [budget(closed)],
      profiles: [],
      runtimes: [runtime('w1', { action: 'Restart' }), runtime('w2')],
    },
    [],
  ],
  [
    'a pod without a controller',
    { pods: [pod('a', { owner: '' })] },
    [
      /^Blocking \| Pod shop\/a \| has no controller that would create it again \(on w1\) \| delete it, or set rollout\.drain\.deleteUnmanagedPods$/,
    ],
  ],
  [
    'emptyDir data, once for each workload',
    {
      pods: [
        pod('a', { volumes: [{ name: 'tmp', emptyDir: {} }] }),
        pod('b', { on: 'w2', volumes: [{ name: 'tmp', emptyDir: {} }] }),
      ],
    },
    [
      /^Blocking \| Deployment shop\/shop \| has data in the emptyDir volume tmp that an eviction loses \(on w1, w2\) \|/,
    ],
  ],
  [
    'what the profile of the node allows',
    {
      pods: [pod('a', { owner: '', volumes: [{ name: 'tmp', emptyDir: {} }] })],
      profiles: [profile('p', { drain: { deleteEmptyDirData: true, deleteUnmanagedPods: true } })],
      runtimes: [runtime('w1'), runtime('w2')],
    },
    [],
    { profile: 'p' },
  ],
  [
    'two profiles on one node',
    { profiles: [profile('a'), profile('b', {}, {})], runtimes: [runtime('w1'), runtime('w2')] },
    [/^Blocking \| RuntimeProfiles a and b \| select the same nodes, so that neither acts on w1, w2 \|/],
  ],
  [
    'no place left in maxUnavailable',
    {
      nodes: [node('w1', { cordoned: true }), node('w2'), node('w3')],
      profiles: [profile('p')],
      runtimes: ['w1', 'w2', 'w3'].map((name) => runtime(name)),
    },
    [
      /^Blocking \| RuntimeProfile p \| may have 1 of its nodes out of service, and w1 is already/,
      /^Warning \| Node w1 \| is cordoned by somebody/,
    ],
  ],
  [
    'no place left because of a node that was not asked about',
    {
      nodes: [node('w1', { cordoned: true }), node('w2'), node('w3')],
      profiles: [profile('p')],
      runtimes: ['w1', 'w2', 'w3'].map((name) => runtime(name)),
    },
    [/^Blocking \| RuntimeProfile p \| may have 1 of its nodes out of service, and w1 is already/],
    { nodes: ['w2'] },
  ],
  [
    'a share of all nodes, of which few were asked about',
    {
      nodes: Array.from({ length: 20 }, (_, index) => node(`n${index}`, { cordoned: index === 0 })),
      profiles: [profile('p', { maxUnavailable: '10%' })],
      runtimes: Array.from({ length: 20 }, (_, index) => runtime(`n${index}`)),
    },
    [/^Warning \| Node n0 \| is cordoned by somebody/],
    { nodes: ['n0', 'n1'] },
  ],
  [
    'a node that is not Ready',
    { nodes: [node('w1', { ready: 'Unknown' }), ...two.slice(1), node('w3')] },
    [/^Warning \| Node w1 \| is not Ready/],
  ],
  [
    'engines and hosts that Drydock leaves alone',
    {
      nodes: [
        node('w1', { nodeInfo: { containerRuntimeVersion: 'rkt://1.0.0' } } as object),
        node('w2', { nodeInfo: { containerRuntimeVersion: 'rkt://1.0.0' } } as object),
        node('w3', { nodeInfo: { operatingSystem: 'windows' } } as object),
        node('w4', { nodeInfo: { osImage: 'Talos (v1.8)' } } as object),
      ],
    },
    [
      /^Blocking \| Nodes w1, w2 \| the engine is rkt:\/\/1\.0\.0, which Drydock does not know \| leave it out/,
      /^Blocking \| Node w3 \| Drydock changes no Windows/,
      /^Blocking \| Node w4 \| Talos keeps its system read-only/,
    ],
  ],
  [
    'what agents have seen',
    {
      nodes: ['w1', 'w2', 'w3', 'w4', 'w5', 'w6', 'w7'].map((name) => node(name)),
      profiles: [],
      runtimes: [
        runtime('w2', { observed: {} }),
        runtime('w3', { observed: { cgroup: { engineDriver: 'cgroupfs', kubeletDriver: 'systemd' } } }),
        runtime('w4', { phase: 'Failed', message: 'kubelet is gone' }),
        runtime('w5', { drifted: true }),
        runtime('w7', { phase: 'Refused', message: 'containers db and cache run on Docker: write previousEngine' }),
        runtime('w6', {
          observed: { os: { id: 'talos', supported: false } },
          conditions: [{ type: 'Supported', message: 'so it is' } as never],
        }),
      ],
    },
    [
      /^Blocking \| Node w6 \| so it is/,
      /^Blocking \| Node w4 \| needs a person: kubelet is gone/,
      /^Blocking \| Node w7 \| refused its order, and nothing was touched: containers db and cache run on Docker/,
      /^Warning \| Node w1 \| has not reported/,
      /^Warning \| Node w2 \| does not tell the cgroup driver of its engine/,
      /^Warning \| Node w3 \| has two cgroup drivers: engine cgroupfs, kubelet systemd/,
      /^Warning \| Node w5 \| has files that are no longer/,
      /^Warning \| Node w6 \| does not tell/,
    ],
  ],
  [
    'a control plane of one node, on which all would have to go',
    { nodes: [node('w1', { labels: { 'node-role.kubernetes.io/control-plane': '' } })] },
    [/^Warning \| Node w1 \| is the only one in service/, /^Warning \| Node w1 \| is the whole control plane/],
  ],
  [
    'sockets of engines, by whatever path',
    {
      pods: [
        pod('a', { owner: 'DaemonSet/sock', ...mounts('/var/run/docker.sock') }),
        pod('b', { owner: 'DaemonSet/ctr', ...mounts('/run/containerd/') }),
        pod('c', { owner: 'DaemonSet/root', ...mounts('/') }),
        pod('d', { owner: 'DaemonSet/run', ...mounts('/var/run/') }),
        pod('e', { owner: 'DaemonSet/own', labels: { 'app.kubernetes.io/name': 'drydock' }, ...mounts('/') }),
        pod('f', { owner: 'DaemonSet/fine', ...mounts('/runner', '/run/containerd-stats', '/var/log/pods') }),
      ],
    },
    [
      /^Warning \| DaemonSet shop\/sock \| mounts Docker’s socket, and the kubelet runs containerd:\/\/1\.7\.24 \(on w1\)/,
      /^Note \| DaemonSet shop\/ctr \| mounts \/run\/containerd \(on w1\)/,
      /^Note \| DaemonSet shop\/root \| mounts \/ of the host/,
      /^Note \| DaemonSet shop\/run \| mounts \/run of the host/,
    ],
  ],
  [
    'what a node loses with Docker',
    {
      nodes: [node('w1', docker), node('w2')],
      pods: [
        pod('a', { owner: 'DaemonSet/sock', ...mounts('/run/docker.sock') }),
        pod('b', { owner: 'DaemonSet/logs', ...mounts('/var/log') }),
        pod('c', { owner: 'DaemonSet/data', ...mounts('/var/lib/docker/containers') }),
        pod('datadog-agent-x', { owner: 'DaemonSet/agent' }),
        pod('e', { owner: 'DaemonSet/local', containers: [{ name: 'x', image: 'mine:1', imagePullPolicy: 'Never' }] }),
      ],
    },
    [
      /^Warning \| DaemonSet shop\/sock \| talks to Docker through its socket \(on w1\) \| move it to the CRI socket first, or write migration\.previousEngine: keep$/,
      /^Warning \| DaemonSet shop\/logs \| may read the logs of containers under \/var\/log/,
      /^Warning \| DaemonSet shop\/data \| reads \/var\/lib\/docker\/containers/,
      /^Warning \| DaemonSet shop\/agent \| is Datadog/,
      /^Warning \| DaemonSet shop\/local \| never pulls mine:1, and another engine does not see the images of docker \(on w1\) \| write migration\.images: transfer, or push/,
    ],
  ],
  [
    'Docker that goes on beside its successor, and images that are carried',
    {
      nodes: [node('w1', docker), node('w2')],
      profiles: [moving('cri-o', { images: 'transfer', previousEngine: 'keep' })],
      runtimes: [runtime('w1'), runtime('w2')],
      pods: [
        pod('a', { owner: 'DaemonSet/sock', ...mounts('/run/docker.sock') }),
        pod('b', {
          owner: 'DaemonSet/built',
          status: { phase: 'Running', containerStatuses: [{ image: 'mine:2', imageID: 'docker://sha256:1' }] },
        }),
        pod('c', {
          owner: 'DaemonSet/pulled',
          status: { phase: 'Running', containerStatuses: [{ image: 'x:2', imageID: 'docker-pullable://x@sha256:1' }] },
        }),
      ],
    },
    [
      /^Warning \| DaemonSet shop\/sock \| talks to Docker through its socket \(on w1\) \| docker goes on beside cri-o, without the containers of pods: move it to the socket of cri-o if/,
      /^Note \| DaemonSet shop\/built \| runs mine:2, which came from no registry \(on w1\) \| migration\.images: transfer carries it/,
    ],
  ],
  [
    'what a node loses with containerd',
    {
      profiles: [moving('cri-o')],
      runtimes: [runtime('w1'), runtime('w2')],
      pods: [
        pod('a', { owner: 'DaemonSet/sock', ...mounts('/run/containerd/containerd.sock') }),
        pod('b', { owner: 'DaemonSet/data', ...mounts('/var/lib/containerd/io.containerd.snapshotter.v1.overlayfs') }),
        pod('c', { owner: 'DaemonSet/logs', ...mounts('/var/log/pods') }),
        pod('d', {
          owner: 'DaemonSet/local',
          status: { phase: 'Running', containerStatuses: [{ image: 'mine:3', imageID: 'sha256:2' }] },
        }),
      ],
    },
    [
      /^Warning \| DaemonSet shop\/sock \| talks to containerd through \/run\/containerd\/containerd\.sock \(on w1\) \| move it to the socket of cri-o first/,
      /^Warning \| DaemonSet shop\/data \| reads \/var\/lib\/containerd/,
      /^Warning \| DaemonSet shop\/local \| runs mine:3, which came from no registry, and another engine does not see the images of containerd/,
    ],
  ],
  [
    'nothing is lost where the engine stays',
    {
      profiles: [moving('containerd')],
      runtimes: [runtime('w1'), runtime('w2')],
      pods: [
        pod('a', { owner: 'DaemonSet/data', ...mounts('/var/lib/containerd') }),
        pod('b', { owner: 'DaemonSet/l', containers: [{ name: 'x', image: 'mine:1', imagePullPolicy: 'Never' }] }),
      ],
    },
    [],
  ],
  [
    'handlers that do not come along',
    {
      profiles: [{ ...moving('cri-o'), spec: { ...moving('cri-o').spec, handlers: [{ name: 'crun' }] } }],
      runtimes: [runtime('w1'), runtime('w2')],
      runtimeClasses: [
        { metadata: { name: 'secure' }, handler: 'kata' },
        { metadata: { name: 'fast' }, handler: 'crun' },
      ],
      pods: [
        pod('a', { runtimeClassName: 'secure' }),
        pod('b', { owner: 'DaemonSet/d', runtimeClassName: 'fast' }),
        pod('c', { owner: 'DaemonSet/e', runtimeClassName: 'unknown' }),
      ],
    },
    [
      /^Blocking \| Deployment shop\/shop \| has the RuntimeClass secure, whose handler kata the profile does not ask of cri-o \(on w1\) \| add kata to the handlers/,
    ],
  ],
  [
    'what the agents say of the change to come',
    {
      profiles: [],
      runtimes: [
        runtime('w2', { notes: ['--network-plugin is removed: the kubelet refuses it'] }),
        runtime('w1', { notes: ['--network-plugin is removed: the kubelet refuses it'] }),
      ],
    },
    [/^Note \| Nodes w1, w2 \| --network-plugin is removed: the kubelet refuses it \| $/],
  ],
  [
    'clients of Docker by image and by environment',
    {
      pods: [
        pod('a', {
          owner: 'Job/a',
          containers: [{ name: 'x', image: 'docker:27-dind', securityContext: { privileged: true } }],
        }),
        pod('b', { owner: 'Job/b', containers: [{ name: 'x', image: 'mirror.example:5000/library/docker' }] }),
        pod('c', {
          owner: 'Job/c',
          initContainers: [{ name: 'x', env: [{ name: 'DOCKER_HOST', value: 'unix:///run/docker.sock' }] }],
        }),
        pod('d', {
          owner: 'Job/d',
          containers: [{ name: 'x', image: 'docker.io/app:1', env: [{ name: 'DOCKER_HOST', value: 'tcp://dind' }] }],
        }),
      ],
    },
    [
      /^Warning \| Job shop\/b \| container x runs mirror\.example:5000\/library\/docker, a client of Docker/,
      /^Warning \| Job shop\/c \| container x has DOCKER_HOST=unix/,
      /^Note \| Job shop\/a \| privileged container x runs docker:27-dind, a Docker of its own/,
    ],
  ],
]

t.test('findings', async (t) => {
  for (const [name, cluster, wanted, scope] of cases) {
    await t.test(name, async (t) => {
      const found = look(cluster, scope)
      t.equal(found.length, wanted.length, found.join('\n'))
      for (const [index, pattern] of wanted.entries()) t.match(found[index], pattern)
    })
  }
})

t.test('a scope that names nothing is an error with the way out', async (t) => {
  t.throws(() => look({}, { nodes: ['w9'] }), /no Node w9: `kubectl get nodes` lists them/)
  t.throws(() => look({ profiles: [] }, { profile: 'p' }), /no RuntimeProfile p/)
})
