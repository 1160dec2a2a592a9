/**
 * NodeRuntime: one per node, owned by it, with its name. The operator writes `spec` (what, and how far the node may go),
 * the agent of that node alone writes `status` (what is there). docs/protocol.md tells how the two halves talk.
 */
import { engineSource, handlerArchive, migration } from '../runtimeprofile/source.ts'
import { bool, conditions, int, list, listMap, obj, oneOf, type Rule, type Schema, str, time } from '../schema.ts'

/** How far a node may go. Each permit includes the ones before it, up to Commit. */
export const permits = ['Observe', 'Prepare', 'Switch', 'Commit', 'Rollback', 'Remove'] as const

/**
 * Where a node is with the order (revision, attempt) that its status names.
 * Refused: nothing was touched. RolledBack: the former state is back and proven. Failed: neither state could be proven; a person is needed.
 */
export const phases = [
  'Observed',
  'Preparing',
  'Prepared',
  'Refused',
  'Switching',
  'Proven',
  'Committed',
  'RollingBack',
  'RolledBack',
  'Failed',
  'Removed',
] as const

/**
 * The least disruptive way to get from what is found to what is wanted, from harmless to harsh. Both that drain recreate
 * every pod of the node; DrainSwitch does so on another engine.
 */
export const actions = ['None', 'Restart', 'DrainRestart', 'DrainSwitch'] as const

const milliseconds = (description: string) => int(`${description} In milliseconds.`)

const handlerTarget = obj(
  'One handler that must be there.',
  {
    name: str('Name of the handler.', { maxLength: 63 }),
    type: oneOf('The kind of OCI runtime.', ['runc', 'crun']),
    default: bool('Whether it is the default handler.'),
    binary: str('Absolute path of the OCI runtime. Absent: found in the engine’s search path.', { maxLength: 255 }),
    archive: handlerArchive,
    options: obj('Options that the engine hands to the runtime.', {
      root: str('Absolute path of the runtime’s state directory.', { maxLength: 255 }),
      noNewKeyring: bool('Do not create a new session keyring for containers.'),
    }),
    podAnnotations: list(
      'Annotations of a pod that the engine hands to the runtime.',
      str('One key or pattern.', { maxLength: 253 }),
      {
        maxItems: 32,
      },
    ),
    privilegedWithoutHostDevices: bool('Privileged containers do not get the host’s devices.'),
  },
  { required: ['name', 'type', 'default'] },
)

const target = obj(
  'What the node must run. Absent with a revision of "original": what the node ran before Drydock touched it.',
  {
    engine: obj(
      'The engine.',
      {
        name: oneOf('Name of the engine.', ['containerd', 'cri-o']),
        version: str('Version that must be there.', { maxLength: 64 }),
        source: engineSource,
      },
      { required: ['name'] },
    ),
    cgroupDriver: oneOf('The cgroup driver of kubelet and engine.', ['systemd', 'cgroupfs']),
    cgroupVersion: oneOf('The cgroup version that must be there.', ['v1', 'v2']),
    handlers: listMap('The handlers that must be there.', 'name', handlerTarget, { maxItems: 16 }),
    sandboxImage: str('The pause image.', { maxLength: 512 }),
    migration,
  },
  { required: ['engine'] },
)

const orderRules: readonly Rule[] = [
  {
    rule: "self.permit in ['Observe', 'Remove'] || (has(self.revision) && has(self.attempt) && has(self.fence) && has(self.nodeUID))",
    message: 'write revision, attempt, fence and nodeUID: only the permits Observe and Remove go without them',
  },
  {
    rule: "self.permit in ['Observe', 'Remove'] || !has(self.revision) || has(self.target) == (self.revision != 'original')",
    message: 'write a target, or the revision "original" and no target',
  },
]

const spec = obj(
  'The order of the operator to this node.',
  {
    nodeUID: str(
      'UID of the Node object that the order is for: a node that was replaced under the same name does not act on it.',
      {
        maxLength: 63,
      },
    ),
    profile: str('The RuntimeProfile behind the order.', { maxLength: 253 }),
    revision: str('Hash of the target; "original" asks for what the node ran before Drydock.', { maxLength: 63 }),
    attempt: int('Counts the tries at one revision, so that a retry is told from a repetition.'),
    fence: int(
      'Fencing token: the leader epoch of the operator that wrote the order. An agent refuses a smaller one than it has seen.',
    ),
    permit: oneOf(
      'How far the node may go: Observe, Prepare, Switch, Commit; or back: Rollback; or Drydock off the node: Remove.',
      permits,
    ),
    target,
    timeoutSeconds: int(
      'Seconds from the stop of the kubelet to its proven return, and one more for each 10 MB of images that are carried; past it the node rolls back by itself.',
      {
        minimum: 10,
        maximum: 3600,
      },
    ),
    courierTimeoutSeconds: int(
      'Seconds that the agent’s pod has to come back after the local proof; past it the node rolls back by itself.',
      {
        minimum: 10,
        maximum: 3600,
      },
    ),
  },
  { required: ['permit'], 'x-kubernetes-validations': orderRules },
)

const handlerFound = obj(
  'A handler that the engine has.',
  {
    name: str('Name of the handler.', { maxLength: 63 }),
    type: str('The engine’s runtime type, such as io.containerd.runc.v2.', { maxLength: 253 }),
    binary: str('Path of the OCI runtime.', { maxLength: 255 }),
    version: str('Version that the OCI runtime prints.', { maxLength: 64 }),
    cgroupDriver: oneOf('The cgroup driver that the handler uses.', ['systemd', 'cgroupfs']),
    default: bool('Whether it is the default handler.'),
  },
  { required: ['name'] },
)

const observed = obj('What is on the node.', {
  os: obj('The operating system.', {
    id: str('ID of /etc/os-release.', { maxLength: 64 }),
    version: str('VERSION_ID of /etc/os-release.', { maxLength: 64 }),
    kernel: str('Kernel release.', { maxLength: 128 }),
    supported: bool('Whether Drydock changes this kind of host at all.'),
  }),
  engine: obj('The engine that the kubelet uses.', {
    name: str('Name: containerd, cri-o, docker, none.', { maxLength: 64 }),
    version: str('Version that the engine reports through CRI.', { maxLength: 64 }),
    socket: str('The CRI endpoint of the kubelet.', { maxLength: 255 }),
    binary: str('Path of the engine’s program, from its systemd unit.', { maxLength: 255 }),
    configPath: str('Path of the engine’s main configuration file.', { maxLength: 255 }),
    configVersion: int('Version of the configuration format.'),
  }),
  cgroup: obj('Control groups.', {
    version: oneOf('Version of the hierarchy.', ['v1', 'v2']),
    engineDriver: oneOf('The driver that the engine uses.', ['systemd', 'cgroupfs']),
    kubeletDriver: oneOf('The driver that the kubelet uses.', ['systemd', 'cgroupfs']),
  }),
  handlers: listMap('The engine’s handlers.', 'name', handlerFound, { maxItems: 32 }),
  sandboxImage: str('The pause image.', { maxLength: 512 }),
  kubeletVersion: str('Version of the kubelet program.', { maxLength: 64 }),
})

const fileChange = obj(
  'One file that the order changes.',
  {
    path: str('Absolute path of the file.', { maxLength: 255 }),
    diff: str('Unified diff, cut at 8 kB.', { maxLength: 8192 }),
  },
  { required: ['path', 'diff'] },
)

const handlerProof = obj(
  'The proof of one handler.',
  {
    name: str('Name of the handler.', { maxLength: 63 }),
    passed: bool('Whether every call and check passed.'),
    message: str('What failed, in a sentence.', { maxLength: 2048 }),
    durationMilliseconds: milliseconds('How long the proof of this handler took.'),
    cgroupPath: str('The container’s cgroup, read back from the kernel.', { maxLength: 512 }),
    memoryLimitBytes: int('The container’s memory limit, read back from the kernel. In bytes.'),
    podIP: str('Address of the pod that answered over HTTP.', { maxLength: 64 }),
    calls: list(
      'The calls in their order.',
      obj(
        'One call or check.',
        { name: str('Name of the call.', { maxLength: 63 }), milliseconds: milliseconds('How long it took.') },
        { required: ['name', 'milliseconds'] },
      ),
      { maxItems: 32 },
    ),
  },
  { required: ['name', 'passed', 'durationMilliseconds'] },
)

export const verification = obj(
  'The last proof: pods created through CRI, one per handler.',
  {
    passed: bool('Whether every handler was proven.'),
    message: str('What failed, in a sentence.', { maxLength: 2048 }),
    time: time('When the proof began.'),
    durationMilliseconds: milliseconds('How long the whole proof took.'),
    engineName: str('Name that the engine reported: with its version, what the kubelet says of it.', { maxLength: 64 }),
    engineVersion: str('Version that the engine reported.', { maxLength: 64 }),
    handlers: listMap('The handlers, each with its calls.', 'name', handlerProof, { maxItems: 32 }),
  },
  { required: ['passed', 'time', 'durationMilliseconds'] },
)

export const stepTimings = list(
  'The steps of the change in their order.',
  obj(
    'One step.',
    {
      name: str('Name of the step.', { maxLength: 63 }),
      startTime: time('When it began.'),
      durationMilliseconds: milliseconds('How long it took.'),
    },
    { required: ['name', 'startTime', 'durationMilliseconds'] },
  ),
  { maxItems: 64 },
)

export const fileChanges = listMap('The files that the order changes.', 'path', fileChange, { maxItems: 16 })

export const carriedImages = obj(
  'What became of the images that the node’s pods need.',
  {
    carried: int('Images that were carried from the store of the former engine to that of the new one.'),
    bytes: int('What they take as archives.'),
    message: str('Why images were not carried, and who fetches them then.', { maxLength: 1024 }),
  },
  { required: ['carried', 'bytes'] },
)

const sentences = (description: string) => list(description, str('One sentence.', { maxLength: 512 }), { maxItems: 32 })

export const reclaimableBytes = int(
  'What the images of the former engine take on disk, as that engine counted them before it was left. In bytes.',
)
export const residue = sentences('What is left of the former engine on the host, and how to get rid of it.')
export const notes = sentences(
  'What else a person should know of the change, such as flags of the kubelet that were removed because it refuses them.',
)

const status = obj('What the agent of the node says.', {
  observedGeneration: int('The metadata.generation of the order that this status answers.'),
  agentVersion: str('Version of Drydock on the node.', { maxLength: 64 }),
  machineID: str('/etc/machine-id of the node.', { maxLength: 64 }),
  revision: str('The revision that phase speaks of.', { maxLength: 63 }),
  attempt: int('The attempt that phase speaks of.'),
  phase: oneOf('Where the node is with the order.', phases),
  action: oneOf('The least disruptive action that reaches the target.', actions),
  message: str('One sentence that says what is going on, or what went wrong and what to do.', { maxLength: 4096 }),
  reason: str('One CamelCase word for the message of a refusal, a rollback or a failure.', { maxLength: 128 }),
  failedStep: str('The step that failed.', { maxLength: 63 }),
  changed: bool('Whether Drydock has changed this host: some file is not what it was before.'),
  drifted: bool('Whether a managed file is no longer what Drydock wrote.'),
  observed,
  changes: fileChanges,
  steps: stepTimings,
  prepareMilliseconds: milliseconds(
    'How long the preparation took, downloads among it, while the node was in service.',
  ),
  kubeletDownMilliseconds: milliseconds('How long the kubelet was down, for the change and for its undoing.'),
  podsRemoved: int('Pod sandboxes that were removed on the node for the change.'),
  images: carriedImages,
  reclaimableBytes,
  residue,
  notes,
  verification,
  conditions: conditions('Supported and Proven.'),
})

export const nodeRuntimeSchema: Schema = obj(
  'A NodeRuntime is the order to one node and its answer. Drydock writes it; read it to see what a node does.',
  { spec, status },
)
