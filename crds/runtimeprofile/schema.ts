/** RuntimeProfile: what a set of nodes should run under their kubelets. The only object a user writes. */
import {
  bool,
  conditions,
  duration,
  int,
  intOrPercent,
  list,
  listMap,
  map,
  obj,
  oneOf,
  type Schema,
  str,
} from '../schema.ts'
import { engineRules, handlerRules, handlersRules, maxUnavailableRules, rolloutRules, specRules } from './rules.ts'

const labelSelector = obj(
  'Selects the nodes that the profile is for. An empty selector selects every node.',
  {
    matchLabels: map('Labels that a node must have, all of them.', str('The value of the label.', { maxLength: 63 })),
    matchExpressions: list(
      'Requirements on labels that a node must meet, all of them.',
      obj(
        'One requirement on a label.',
        {
          key: str('The label key that the requirement is about.', { maxLength: 317 }),
          operator: oneOf('How the label relates to the values.', ['In', 'NotIn', 'Exists', 'DoesNotExist']),
          values: list('The values for In and NotIn.', str('One value.', { maxLength: 63 }), { maxItems: 100 }),
        },
        { required: ['key', 'operator'] },
      ),
      { maxItems: 16 },
    ),
  },
  { 'x-kubernetes-map-type': 'atomic' },
)

const engine = obj(
  'The container engine under the kubelet.',
  {
    name: oneOf('The engine: containerd or cri-o.', ['containerd', 'cri-o']),
    version: str(
      'The version that must be there: exact (2.3.7), a minor (2.3) or a major (2). Absent: whatever is installed.',
      { pattern: '^[0-9]+(\\.[0-9]+){0,2}([-+~.][0-9A-Za-z.+~-]{1,32})?$', maxLength: 64 },
    ),
    source: obj('Where the engine comes from. Exactly one of the three.', {
      package: obj('The packages of the node’s own distribution (apt, dnf, zypper).', {}),
      archive: obj(
        'A release archive in the upstream layout.',
        {
          url: str('An https address of the archive.', { pattern: '^https://', maxLength: 2048 }),
          sha256: str('The SHA-256 of the archive, in lower-case hexadecimal.', {
            pattern: '^[0-9a-f]{64}$',
            maxLength: 64,
          }),
        },
        { required: ['url', 'sha256'] },
      ),
      preinstalled: obj('The engine is on the node already; Drydock only configures it.', {}),
    }),
  },
  { required: ['name'], 'x-kubernetes-validations': engineRules },
)

const handler = obj(
  'One OCI runtime that pods can ask for.',
  {
    name: str('Name of the handler: a DNS label, what a RuntimeClass refers to.', {
      pattern: '^[a-z0-9]([-a-z0-9]*[a-z0-9])?$',
      maxLength: 63,
    }),
    type: oneOf('The kind of OCI runtime. Absent: the same as the name.', ['runc', 'crun', 'runsc', 'kata']),
    default: bool('Whether pods without a RuntimeClass use this handler. At most one handler is the default.'),
    binary: str(
      'Absolute path of the OCI runtime on the node. Absent: the first found in the engine’s own search path.',
      {
        pattern: '^/[A-Za-z0-9._/+-]+$',
        maxLength: 255,
      },
    ),
    options: obj('Options that the engine hands to runc and crun.', {
      root: str('Absolute path of the runtime’s state directory.', { pattern: '^/[A-Za-z0-9._/+-]+$', maxLength: 255 }),
      noNewKeyring: bool('Do not create a new session keyring for containers.'),
    }),
    podAnnotations: list(
      'Annotations of a pod that the engine hands to the runtime; * matches any tail.',
      str('An annotation key or pattern.', { pattern: '^[A-Za-z0-9._/*-]+$', maxLength: 253 }),
      { maxItems: 32 },
    ),
    privilegedWithoutHostDevices: bool('Privileged containers of this handler do not get the host’s devices.'),
    runtimeClass: obj('Create a RuntimeClass for the handler, scheduled to nodes where the handler is proven.', {
      name: str('Name of the RuntimeClass. Absent: the name of the handler.', {
        pattern: '^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$',
        maxLength: 253,
      }),
    }),
  },
  { required: ['name'], 'x-kubernetes-validations': handlerRules },
)

const registry = obj(
  'How images of one registry host are fetched.',
  {
    host: str('The registry host as image names have it, such as docker.io or registry.example:5000.', {
      pattern: '^[A-Za-z0-9.-]+(:[0-9]+)?$',
      maxLength: 260,
    }),
    mirrors: list(
      'Mirrors, tried in order before the host itself.',
      obj(
        'One mirror.',
        {
          url: str('Address of the mirror.', { pattern: '^https?://[A-Za-z0-9.:/_-]+$', maxLength: 2048 }),
          capabilities: list('What the mirror may be asked for.', oneOf('One capability.', ['pull', 'resolve']), {
            maxItems: 2,
          }),
        },
        { required: ['url'] },
      ),
      { maxItems: 8 },
    ),
  },
  { required: ['host'] },
)

const rollout = obj(
  'How fast and under which conditions nodes are changed.',
  {
    maxUnavailable: intOrPercent(
      'How many of the profile’s nodes may be out of service at once, as a number or a percentage (rounded down, at least 1). Nodes that are unavailable for other reasons count.',
      { default: 1, 'x-kubernetes-validations': maxUnavailableRules },
    ),
    canary: obj('Change a few nodes first and watch them before the rest.', {
      nodes: int('How many nodes go first.', { minimum: 1, maximum: 100 }),
      soak: duration('How long the canary nodes must stay proven before the rest follows.'),
    }),
    failureBudget: int('How many nodes may fail before the rollout stops. 1 stops at the first failure.', {
      minimum: 1,
      maximum: 10000,
      default: 1,
    }),
    window: obj(
      'When changes that disrupt may start.',
      {
        cron: str('Start of the window as a cron expression of five fields.', { maxLength: 128 }),
        duration: duration('How long the window stays open.'),
        timeZone: str('IANA name of the time zone of the cron expression.', { maxLength: 64 }),
      },
      { required: ['cron', 'duration'] },
    ),
    gates: listMap(
      'Conditions that must hold before each node.',
      'name',
      obj(
        'One gate.',
        {
          name: str('Name of the gate.', { pattern: '^[a-z0-9]([-a-z0-9]*[a-z0-9])?$', maxLength: 63 }),
          cel: str('A CEL expression that must be true.', { maxLength: 4096 }),
        },
        { required: ['name', 'cel'] },
      ),
      { maxItems: 16 },
    ),
    drain: obj('How pods leave a node whose change disrupts them.', {
      timeout: duration('How long to wait for evictions and terminations before the node is given back unchanged.', {
        default: '10m',
      }),
      deleteEmptyDirData: bool('Evict pods that use emptyDir volumes; their data is lost.'),
      deleteUnmanagedPods: bool('Evict pods that no controller will create again; they are gone.'),
      disableEviction: bool('Delete pods instead of evicting them, which ignores PodDisruptionBudgets.'),
    }),
    paused: bool('Start no further node. Nodes under way finish.'),
  },
  { 'x-kubernetes-validations': rolloutRules },
)

const verify = obj('How a node is proven after a change.', {
  timeout: duration(
    'How long the node has to prove itself, from the stop of the kubelet to its healthy return; past it the node rolls back by itself.',
    {
      default: '2m',
    },
  ),
  every: duration('Prove again at this interval.'),
})

const spec = obj(
  'What the nodes should run, and how they get there.',
  {
    nodeSelector: labelSelector,
    engine,
    cgroupDriver: oneOf('The cgroup driver of kubelet and engine, always changed as one pair. Absent: as found.', [
      'systemd',
      'cgroupfs',
    ]),
    cgroupVersion: oneOf('The cgroup version that the node must have. Absent: as found.', ['v1', 'v2']),
    handlers: listMap(
      'The OCI runtimes of the nodes. Handlers that somebody else put into the engine’s file stay.',
      'name',
      handler,
      {
        maxItems: 16,
        'x-kubernetes-validations': handlersRules,
      },
    ),
    sandboxImage: str('The pause image of every pod.', {
      pattern: '^[a-z0-9.-]+(:[0-9]+)?(/[a-z0-9._-]+)+(:[A-Za-z0-9._-]+)?(@sha256:[0-9a-f]{64})?$',
      maxLength: 512,
    }),
    registries: listMap('Mirrors of image registries.', 'host', registry, { maxItems: 32 }),
    proxy: obj('Proxy settings of the engine.', {
      httpProxy: str('Proxy for http addresses.', { pattern: '^https?://', maxLength: 2048 }),
      httpsProxy: str('Proxy for https addresses.', { pattern: '^https?://', maxLength: 2048 }),
      noProxy: list(
        'Hosts, domains and CIDRs that are reached directly.',
        str('One host, domain or CIDR.', { maxLength: 253 }),
      ),
    }),
    engineConfig: str('TOML of your own, merged last into the engine’s configuration.', { maxLength: 32768 }),
    migration: obj('What happens to the former engine.', {
      images: oneOf('How images reach the new engine’s store.', ['transfer', 'pull']),
      previousEngine: oneOf('What becomes of the former engine after the soak.', ['keep', 'disable', 'purge']),
    }),
    rollout,
    verify,
    drift: oneOf(
      'What to do when a node no longer is what the profile says: Report it, or Repair it by a new rollout of that node.',
      ['Report', 'Repair'],
    ),
  },
  { required: ['nodeSelector', 'engine'], 'x-kubernetes-validations': specRules },
)

const nodeCounts = obj('How many nodes are in which state.', {
  selected: int('Nodes that the selector selects.'),
  ready: int('Nodes that run the current revision, proven.'),
  updating: int('Nodes under way: from the cordon to the uncordon.'),
  waiting: int('Nodes that wait for their turn.'),
  failed: int('Nodes whose change to the current revision was refused or rolled back.'),
  unavailable: int('Nodes out of service for any reason.'),
})

const status = obj('What the operator last saw.', {
  observedGeneration: int('The metadata.generation that this status speaks of.'),
  revision: str('Hash of the target that the spec asks for.', { maxLength: 63 }),
  nodes: nodeCounts,
  message: str('The one sentence that says where the rollout is or why it waits.', { maxLength: 4096 }),
  report: str('Name of the MigrationReport of the current revision.', { maxLength: 253 }),
  conditions: conditions('Ready, Reconciling and Stalled, as kstatus reads them.'),
})

export const runtimeProfileSchema: Schema = obj(
  'A RuntimeProfile says what container runtime a set of nodes should run; Drydock takes the nodes there one by one.',
  { spec, status },
  { required: ['spec'] },
)
