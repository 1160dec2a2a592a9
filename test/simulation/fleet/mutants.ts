/** Drydock with one guard taken out, at the seams of the simulation: each must be caught by the invariant that it breaks. */
import { annotations } from '../../../crds/protocol.ts'
import type { NodeRuntimeSpec, RuntimeProfileSpec } from '../../../crds/types.gen.ts'
import { Store } from '../../../operator/controllers/store.ts'
import type { Sent, Stored } from './api.ts'
import { type Fleet, label, type Mutant } from './fleet.ts'
import type { Invariant } from './invariants.ts'
import type { Tampering } from './network.ts'

export interface NamedMutant extends Mutant {
  readonly breaks: readonly Invariant[]
}

type Seen = (plural: string, object: Stored) => Stored | undefined

const sees = (seen: Seen): Pick<Mutant, 'tampering'> => ({ tampering: () => ({ seen }) })

type Rollout = NonNullable<RuntimeProfileSpec['rollout']>

/** The operator reads profiles with other rollout settings. */
const withRollout = (change: (rollout: Rollout) => object): Pick<Mutant, 'tampering'> =>
  sees((plural, object) => {
    if (plural !== 'runtimeprofiles') return object
    const { rollout } = object.spec as { rollout: Rollout }
    return { ...object, spec: { ...object.spec, rollout: { ...rollout, ...change(rollout) } } }
  })

const withoutLabel = (name: string, { metadata, ...object }: Stored): Stored => {
  const { [name]: _, ...labels } = metadata.labels ?? {}
  return { ...object, metadata: { ...metadata, labels } }
}

/** Every Node seems to be Ready, just now, with what was proven. */
const trusting: Seen = (plural, object) => {
  if (plural === 'nodes') {
    const lastHeartbeatTime = `2030-01-01T00:00:00.${object.metadata.resourceVersion.padStart(9, '0')}Z`
    const conditions = [{ type: 'Ready', status: 'True', lastHeartbeatTime }]
    return { ...object, status: { ...object.status, conditions } }
  }
  const { verification, observed, ...status } = object.status ?? {}
  const { engineVersion: _, time: __, ...rest } = (verification ?? {}) as Record<string, unknown>
  const proof = verification ? { verification: rest } : {}
  return plural === 'noderuntimes' && object.status ? { ...object, status: { ...status, ...proof } } : object
}

const markEveryCordon: Seen = (plural, object) => {
  const { metadata, spec } = object
  if (plural !== 'nodes' || !spec?.['unschedulable'] || metadata.annotations?.[annotations.cordonedBy]) return object
  const mark = { [annotations.cordonedBy]: 'one/000000000000/1/2026-03-01T00:00:00Z' }
  return { ...object, metadata: { ...metadata, annotations: { ...metadata.annotations, ...mark } } }
}

const withoutAbort: Seen = (plural, { metadata, ...object }) => {
  if (plural !== 'runtimeprofiles') return { metadata, ...object }
  const { [annotations.abort]: _, ...others } = metadata.annotations ?? {}
  return { ...object, metadata: { ...metadata, annotations: others } }
}

const sameAttempt = (plural: string, object: Sent): Sent => {
  const spec = object.spec as NodeRuntimeSpec | undefined
  if (plural !== 'noderuntimes' || spec?.attempt === undefined || spec.attempt < 2) return object
  return { ...object, spec: { ...spec, attempt: spec.attempt - 1 } }
}

function forgetWrites(): () => void {
  const { remember } = Store.prototype
  Store.prototype.remember = (object) => object
  return () => {
    Store.prototype.remember = remember
  }
}

function dropFinalizer(fleet: Fleet, plural: string, { metadata }: Stored): void {
  if (plural !== 'runtimeprofiles' || !metadata.deletionTimestamp) return
  const { name } = metadata
  if (!fleet.api.get(plural, name)?.metadata.deletionTimestamp) return
  fleet.api.update({ by: 'operator', process: 'mutant' }, plural, { name }, () => ({ metadata: { finalizers: [] } }))
}

/** Answers with this phase seem to have another. */
const phaseSeemsTo = (from: string, to: string): Seen => {
  return (plural, object) => {
    if (plural !== 'noderuntimes' || object.status?.['phase'] !== from) return object
    return { ...object, status: { ...object.status, phase: to } }
  }
}

const withoutStatus: Seen = (plural, { status, ...object }) =>
  plural === 'runtimeprofiles' ? object : { ...object, ...(status && { status }) }

const selectingAll: Seen = (plural, object) =>
  plural === 'runtimeprofiles' ? { ...object, spec: { ...object.spec, nodeSelector: {} } } : object

const repairing: Seen = (plural, object) =>
  plural === 'runtimeprofiles' ? { ...object, spec: { ...object.spec, drift: 'Repair' } } : object

const withoutRepairs: Seen = (plural, { metadata, ...object }) => {
  if (plural !== 'noderuntimes') return { metadata, ...object }
  const { [annotations.repairs]: _, ...others } = metadata.annotations ?? {}
  return { ...object, metadata: { ...metadata, annotations: others } }
}

const withoutRetry: Seen = (plural, { metadata, ...object }) => {
  if (plural !== 'runtimeprofiles') return { metadata, ...object }
  const { [annotations.retry]: _, ...others } = metadata.annotations ?? {}
  return { ...object, metadata: { ...metadata, annotations: others } }
}

/** Sent instead of its own: the answer of the first node. */
const answersForAnother = (): Tampering => ({
  sent: (_, object) => ({ ...object, metadata: { ...object.metadata, name: 'worker-0' } }),
})

/** Each write to a Node sets a label that is a person's, too. */
const overwrites = (): Tampering => ({
  patched: (plural, patch) =>
    plural === 'nodes' ? { ...patch, metadata: { ...patch.metadata, labels: { [label]: 'ours' } } } : patch,
})

export const mutants: readonly NamedMutant[] = [
  { name: 'maxUnavailable is ignored', breaks: ['budget'], ...withRollout(() => ({ maxUnavailable: 100 })) },
  { name: 'writes of its own are not remembered', breaks: ['budget', 'control plane'], install: forgetWrites },
  {
    name: 'control-plane nodes are taken for workers',
    breaks: ['control plane'],
    ...sees((plural, object) =>
      plural === 'nodes' ? withoutLabel('node-role.kubernetes.io/control-plane', object) : object,
    ),
  },
  {
    name: 'the failure budget is ignored',
    breaks: ['failure budget'],
    ...withRollout(() => ({ failureBudget: 1000 })),
  },
  { name: 'the pause is ignored', breaks: ['pause'], ...withRollout(() => ({ paused: false })) },
  { name: 'an abort is ignored', breaks: ['abort'], ...sees(withoutAbort) },
  { name: 'the window is ignored', breaks: ['window'], ...withRollout(() => ({ window: undefined })) },
  {
    name: 'the window is read without its time zone',
    breaks: ['window'],
    ...withRollout(({ window }) => ({ window: window && { ...window, timeZone: 'UTC' } })),
  },
  { name: 'gates are not asked', breaks: ['closed gate'], ...withRollout(() => ({ gates: [] })) },
  {
    name: 'disruption budgets are not looked at',
    breaks: ['disruption budget'],
    ...sees((plural, object) => (plural === 'poddisruptionbudgets' ? undefined : object)),
  },
  { name: 'what is only to be reported is repaired', breaks: ['repair'], ...sees(repairing) },
  { name: 'repairs follow each other without a pause', breaks: ['repair'], ...sees(withoutRepairs) },
  { name: 'canaries are ignored', breaks: ['canary'], ...withRollout(() => ({ canary: undefined })) },
  {
    name: 'canaries do not soak',
    breaks: ['canary'],
    ...withRollout(({ canary }) => ({ canary: canary && { ...canary, soak: '1s' } })),
  },
  { name: 'a cordon of a person is taken for its own', breaks: ['foreign cordon'], ...sees(markEveryCordon) },
  { name: 'commits without comparing the Node', breaks: ['gate'], ...sees(trusting) },
  {
    name: 'switches without a drain',
    breaks: ['drain'],
    ...sees((plural, object) => (plural === 'pods' ? undefined : object)),
  },
  {
    name: 'does not see that two profiles select a node',
    breaks: ['conflict'],
    ...sees((plural, object) => (plural === 'runtimeprofiles' && object.metadata.name === 'two' ? undefined : object)),
  },
  {
    name: 'writes after its lease has run out',
    breaks: ['leader'],
    isDeaf: true,
  },
  { name: 'drops the finalizer at once', breaks: ['finalizer'], onSeen: dropFinalizer },
  { name: 'a retry is the same attempt again', breaks: ['attempt'], tampering: () => ({ sent: sameAttempt }) },
  { name: 'old fences are accepted', breaks: ['fence'], machine: { acceptsOldFence: true } },
  { name: 'going back undoes nothing', breaks: ['in between'], machine: { skipsRollback: true } },
  { name: 'nothing is put back at boot', breaks: ['unproven boot'], machine: { skipsBootRecovery: true } },
  {
    name: 'a node is given back that is only proven locally',
    breaks: ['uncordon unproven'],
    ...sees(phaseSeemsTo('Proven', 'Committed')),
  },
  {
    name: 'the permit of another machine is acted on',
    breaks: ['other node'],
    machine: { runsForeignOrders: true },
  },
  { name: 'the nodeSelector is ignored', breaks: ['own object'], ...sees(selectingAll) },
  { name: 'a courier answers for another node', breaks: ['own object'], courier: answersForAnother },
  { name: 'labels of others are overwritten', breaks: ['own object'], tampering: overwrites },
  { name: 'a status that is there is written again', breaks: ['idle'], ...sees(withoutStatus) },
  { name: 'a proof is overlooked', breaks: ['liveness'], ...sees(phaseSeemsTo('Proven', 'Switching')) },
  { name: 'a retry is overlooked', breaks: ['liveness'], ...sees(withoutRetry) },
  { name: 'the proof is skipped', breaks: ['in between'], machine: { skipsProof: true } },
]
