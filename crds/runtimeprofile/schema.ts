/** RuntimeProfile: what a set of nodes should run under their kubelets. The only object a user writes. */
import { bool, conditions, int, list, listMap, obj, oneOf, type Schema, str } from '../schema.ts'
import { rollout, verify } from './rollout.ts'
import * as rules from './rules.ts'
import { labelSelector } from './selector.ts'
import { engineSource, handlerArchive, migration } from './source.ts'

const nodeSelector = labelSelector('Selects the nodes that the profile is for. An empty selector selects every node.')

const engine = obj(
  'The container engine under the kubelet.',
  {
    name: oneOf('The engine: containerd or cri-o.', ['containerd', 'cri-o']),
    version: str(
      'The version that must be there: exact (2.3.7), a minor (2.3) or a major (2). Absent: whatever is installed.',
      { maxLength: 64, 'x-kubernetes-validations': rules.engineVersionRules },
    ),
    source: engineSource,
  },
  { required: ['name'] },
)

const handler = obj(
  'One OCI runtime that pods can ask for.',
  {
    name: str('Name of the handler: a DNS label, what a RuntimeClass refers to.', {
      'x-kubernetes-validations': rules.dnsLabelRules,
      maxLength: 63,
    }),
    type: oneOf('The kind of OCI runtime. Absent: the same as the name.', ['runc', 'crun', 'runsc', 'kata'], {
      'x-kubernetes-validations': rules.handlerTypeRules,
    }),
    default: bool('Whether pods without a RuntimeClass use this handler. At most one handler is the default.'),
    binary: str(
      'Absolute path of the OCI runtime on the node. Absent: the first found in the engine’s own search path.',
      {
        'x-kubernetes-validations': rules.pathRules('/usr/bin/crun'),
        maxLength: 255,
      },
    ),
    archive: handlerArchive,
    options: obj('Options that the engine hands to runc and crun.', {
      root: str('Absolute path of the runtime’s state directory.', {
        maxLength: 255,
        'x-kubernetes-validations': rules.pathRules('/run/crun'),
      }),
      noNewKeyring: bool('Do not create a new session keyring for containers.'),
    }),
    podAnnotations: list(
      'Annotations of a pod that the engine hands to the runtime; * matches any tail.',
      str('An annotation key or pattern.', { maxLength: 253, 'x-kubernetes-validations': rules.podAnnotationRules }),
      { maxItems: 32 },
    ),
    privilegedWithoutHostDevices: bool('Privileged containers of this handler do not get the host’s devices.'),
    runtimeClass: obj('Create a RuntimeClass for the handler, scheduled to nodes where the handler is proven.', {
      name: str('Name of the RuntimeClass. Absent: the name of the handler.', {
        'x-kubernetes-validations': rules.dnsNameRules,
        maxLength: 253,
      }),
    }),
  },
  { required: ['name'], 'x-kubernetes-validations': rules.handlerRules },
)

const registry = obj(
  'How images of one registry host are fetched.',
  {
    host: str('The registry host as image names have it, such as docker.io or registry.example:5000.', {
      'x-kubernetes-validations': rules.registryHostRules,
      maxLength: 260,
    }),
    mirrors: list(
      'Mirrors, tried in order before the host itself.',
      obj(
        'One mirror.',
        {
          url: str('Address of the mirror.', { maxLength: 2048, 'x-kubernetes-validations': rules.addressRules }),
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

const spec = obj(
  'What the nodes should run, and how they get there.',
  {
    nodeSelector,
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
        'x-kubernetes-validations': rules.handlersRules,
      },
    ),
    sandboxImage: str('The pause image of every pod.', {
      'x-kubernetes-validations': rules.sandboxImageRules,
      maxLength: 512,
    }),
    registries: listMap('Mirrors of image registries.', 'host', registry, {
      maxItems: 32,
      'x-kubernetes-validations': rules.notSupported('registries'),
    }),
    proxy: obj(
      'Proxy settings of the engine.',
      {
        httpProxy: str('Proxy for http addresses.', {
          maxLength: 2048,
          'x-kubernetes-validations': rules.addressRules,
        }),
        httpsProxy: str('Proxy for https addresses.', {
          maxLength: 2048,
          'x-kubernetes-validations': rules.addressRules,
        }),
        noProxy: list(
          'Hosts, domains and CIDRs that are reached directly.',
          str('One host, domain or CIDR.', { maxLength: 253 }),
        ),
      },
      { 'x-kubernetes-validations': rules.notSupported('proxy') },
    ),
    engineConfig: str('TOML of your own, merged last into the engine’s configuration.', {
      maxLength: 32768,
      'x-kubernetes-validations': rules.notSupported('engineConfig'),
    }),
    migration,
    rollout,
    verify,
    drift: oneOf(
      'What to do when a node no longer is what was proven: Report it, or Repair it by a new turn of that node; after three repairs within an hour it is reported only.',
      ['Report', 'Repair'],
      { default: 'Report' },
    ),
  },
  { required: ['nodeSelector', 'engine'] },
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
  { required: ['spec'], 'x-kubernetes-validations': rules.profileRules },
)
