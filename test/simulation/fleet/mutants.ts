/** Drydock with one guard taken out, at the seams of the simulation: each must be caught by the invariant that it breaks. */
import { annotations } from '../../../crds/protocol.ts'
import type { NodeRuntimeSpec, RuntimeProfileSpec } from '../../../crds/types.gen.ts'
import { Store } from '../../../operator/controllers/store.ts'
import type { Sent, Stored } from './api.ts'
import type { Fleet, Mutant } from './fleet.ts'
import type { Invariant } from './invariants.ts'

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
  { name: 'drops the finalizer at once', breaks: ['finalizer'], onSeen: dropFinalizer },
  { name: 'a retry is the same attempt again', breaks: ['attempt'], tampering: () => ({ sent: sameAttempt }) },
  { name: 'old fences are accepted', breaks: ['fence'], machine: { acceptsOldFence: true } },
  { name: 'going back undoes nothing', breaks: ['in between'], machine: { skipsRollback: true } },
  { name: 'nothing is put back at boot', breaks: ['unproven boot'], machine: { skipsBootRecovery: true } },
  { name: 'the proof is skipped', breaks: ['in between'], machine: { skipsProof: true } },
]
