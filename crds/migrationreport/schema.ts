/** MigrationReport: the record of one rollout of one profile revision. Immutable once it has a completionTime. */

import {
  actions,
  carriedImages,
  fileChanges,
  notes,
  reclaimableBytes,
  residue,
  stepTimings,
  verification,
} from '../noderuntime/schema.ts'
import { int, listMap, obj, oneOf, type Rule, type Schema, str, time } from '../schema.ts'

const runtimeState = (description: string) =>
  obj(description, {
    engine: str('Name of the engine.', { maxLength: 64 }),
    engineVersion: str('Version of the engine.', { maxLength: 64 }),
    endpoint: str('The CRI endpoint of the kubelet.', { maxLength: 255 }),
    kubeletVersion: str('Version of the kubelet.', { maxLength: 64 }),
    cgroupDriver: str('The cgroup driver of the engine.', { maxLength: 64 }),
    kubeletCgroupDriver: str('The cgroup driver of the kubelet.', { maxLength: 64 }),
    handlers: str('Names of the handlers, comma-separated, the default marked with *.', { maxLength: 1024 }),
    ociRuntimes: str('Programs of the handlers with their versions, comma-separated.', { maxLength: 1024 }),
    sandboxImage: str('The pause image.', { maxLength: 512 }),
  })

const node = obj(
  'What happened to one node.',
  {
    name: str('Name of the node.', { maxLength: 253 }),
    result: oneOf('How it ended.', ['Changed', 'Unchanged', 'Refused', 'RolledBack', 'Failed', 'Skipped']),
    action: oneOf('The action that was needed.', actions),
    attempt: int('The attempt that ended so.'),
    startTime: time('When the node’s turn began.'),
    completionTime: time('When the node was back in service, or given up.'),
    before: runtimeState('What the node ran before.'),
    after: runtimeState('What the node runs now.'),
    changes: fileChanges,
    steps: stepTimings,
    prepareMilliseconds: int(
      'How long the preparation took, downloads among it, while the node was in service. In milliseconds.',
    ),
    drainMilliseconds: int('From the cordon to the last pod gone. In milliseconds.'),
    kubeletDownMilliseconds: int('How long the kubelet was down, for the change and for its undoing. In milliseconds.'),
    podsEvicted: int('Pods that the drain moved to other nodes.'),
    podsRemoved: int('Pods that were restarted in place: their sandboxes were removed on the node.'),
    images: carriedImages,
    reclaimableBytes,
    residue,
    notes,
    verification,
    failedStep: str('The step that failed.', { maxLength: 63 }),
    reason: str('One CamelCase word for a refusal, rollback or failure.', { maxLength: 128 }),
    message: str('One sentence that says why, and what to do.', { maxLength: 4096 }),
  },
  { required: ['name', 'result'] },
)

const spec = obj(
  'Which rollout this is the record of.',
  {
    profile: str('Name of the RuntimeProfile.', { maxLength: 253 }),
    profileUID: str('UID of the RuntimeProfile.', { maxLength: 63 }),
    profileGeneration: int('The profile’s metadata.generation when the rollout began.'),
    revision: str('Hash of the target; "original" for the removal of a profile.', { maxLength: 63 }),
  },
  {
    required: ['profile', 'revision'],
    'x-kubernetes-validations': [{ rule: 'self == oldSelf', message: 'spec of a MigrationReport cannot be changed' }],
  },
)

const statusRules: readonly Rule[] = [
  {
    rule: "has(self.completionTime) == (has(self.phase) && self.phase != 'Running')",
    message: 'write completionTime together with the phase Succeeded, Failed or Superseded, and with no other',
  },
]

/** At the root, because a rule of status does not run when an update leaves status out. */
const reportRules: readonly Rule[] = [
  {
    rule: '!has(oldSelf.status) || !has(oldSelf.status.completionTime) || (has(self.status) && self.status == oldSelf.status)',
    message: 'status of a MigrationReport that is complete cannot be changed',
  },
]

const status = obj(
  'The record.',
  {
    phase: oneOf(
      'Running; Succeeded: every node is there; Failed: some node was refused, rolled back or failed; Superseded: a newer revision, or the removal of the profile, took over.',
      ['Running', 'Succeeded', 'Failed', 'Superseded'],
    ),
    startTime: time('When the rollout began.'),
    completionTime: time('When the rollout ended.'),
    message: str('One sentence that sums the rollout up.', { maxLength: 4096 }),
    changed: int('Nodes that were changed and proven.'),
    unchanged: int('Nodes that needed no change.'),
    failed: int('Nodes that were refused, rolled back or failed.'),
    omittedNodes: int('Nodes that are counted above but left out of the list below, which is bounded.'),
    nodes: listMap('What happened to each node.', 'name', node, { maxItems: 256 }),
  },
  { 'x-kubernetes-validations': statusRules },
)

export const migrationReportSchema: Schema = obj(
  'A MigrationReport is the record of one rollout: per node what was, what is, what it took and what went wrong.',
  { spec, status },
  { required: ['spec'], 'x-kubernetes-validations': reportRules },
)
