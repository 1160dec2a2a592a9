/** Every write to a NodeRuntime: one server-side apply of the whole order, at the version that was read. */

import { parseDuration } from '../../../crds/duration.ts'
import { annotations, labels, managedByValue } from '../../../crds/protocol.ts'
import type { NodeRuntime, NodeRuntimeSpec, RuntimeProfile } from '../../../crds/types.gen.ts'
import type { KubeClient } from '../../../kube/client.ts'
import { fieldManager, NodeRuntimes } from '../../resources.ts'
import type { GaveUp, Order, Permit, Turn } from '../../rollout/types.ts'

export interface NodeRuntimeWriterOptions {
  readonly client: Pick<KubeClient, 'apply' | 'create'>
  /** The leader's epoch, written with each order: agents refuse orders of former leaders. */
  readonly fence: number
  /** Seconds that the agent's pod has to come back after the local proof. */
  readonly courierTimeoutSeconds: number
}

interface Change {
  readonly spec: NodeRuntimeSpec
  /** Undefined removes an annotation. */
  readonly annotations?: Readonly<Record<string, string | undefined>>
}

const defaultProofSeconds = 120

export class NodeRuntimeWriter {
  readonly #options: NodeRuntimeWriterOptions

  constructor(options: NodeRuntimeWriterOptions) {
    this.#options = options
  }

  /** The NodeRuntime of a node that has none. It goes with its Node, by the garbage collector. */
  create(node: { name: string; uid: string }): Promise<NodeRuntime> {
    const { client, fence } = this.#options
    const owner = { apiVersion: 'v1', kind: 'Node', name: node.name, uid: node.uid }
    return client.create<NodeRuntime>(NodeRuntimes, {
      apiVersion: 'drydock.dev/v1alpha1',
      kind: 'NodeRuntime',
      metadata: { name: node.name, labels: { [labels.managedBy]: managedByValue }, ownerReferences: [owner] },
      spec: { nodeUID: node.uid, fence, permit: 'Observe' },
    })
  }

  order(runtime: NodeRuntime, profile: RuntimeProfile, order: Order) {
    const { report, revision, attempt, target, repairs, turn } = order
    const timeout = profile.spec.verify?.timeout
    return this.#apply(runtime, {
      spec: {
        ...this.#identity(runtime),
        profile: profile.metadata.name,
        revision,
        attempt,
        permit: 'Prepare',
        ...(target && { target }),
        timeoutSeconds: timeout === undefined ? defaultProofSeconds : parseDuration(timeout) / 1000,
        courierTimeoutSeconds: this.#options.courierTimeoutSeconds,
      },
      annotations: {
        [annotations.report]: report,
        [annotations.repairs]: repairs && JSON.stringify(repairs),
        [annotations.retry]: profile.metadata.annotations?.[annotations.retry],
        [annotations.turn]: turn && JSON.stringify(turn),
        [annotations.gaveUp]: undefined,
      },
    })
  }

  adopt(runtime: NodeRuntime, profile: RuntimeProfile) {
    return this.#apply(runtime, { spec: { ...this.#spec(runtime), profile: profile.metadata.name } })
  }

  /** The node belongs to no profile and runs what it ran before Drydock. */
  release(runtime: NodeRuntime) {
    return this.#apply(runtime, {
      spec: { ...this.#identity(runtime), permit: 'Observe' },
      annotations: Object.fromEntries(ownKeys.map((key) => [key, undefined])),
    })
  }

  beginTurn(runtime: NodeRuntime, turn: Turn) {
    return this.#apply(runtime, { spec: this.#spec(runtime), annotations: turnAnnotations(turn) })
  }

  giveUp(runtime: NodeRuntime, gaveUp: GaveUp) {
    return this.#apply(runtime, {
      spec: this.#spec(runtime),
      annotations: {
        [annotations.gaveUp]: JSON.stringify(gaveUp),
        [annotations.report]: gaveUp.report,
        [annotations.turn]: undefined,
      },
    })
  }

  permitSwitch(runtime: NodeRuntime, profile: RuntimeProfile, turn: Turn) {
    // A retry that was asked for before this attempt began is not meant for it.
    const retry = profile.metadata.annotations?.[annotations.retry]
    return this.#permit(runtime, 'Switch', { ...turnAnnotations(turn), [annotations.retry]: retry })
  }

  /** Whoever removes the profile later must know that there is something to restore, even if this answer is lost. */
  permitCommit(runtime: NodeRuntime, turn: Turn) {
    return this.#permit(runtime, 'Commit', {
      [annotations.turn]: JSON.stringify(turn),
      [annotations.committed]: runtime.spec?.revision,
    })
  }

  permitRollback(runtime: NodeRuntime, gaveUp: GaveUp) {
    return this.#permit(runtime, 'Rollback', { [annotations.gaveUp]: JSON.stringify(gaveUp) })
  }

  /** Takes Drydock's own files off the node. */
  permitRemove(runtime: NodeRuntime) {
    return this.#permit(runtime, 'Remove')
  }

  #permit(runtime: NodeRuntime, permit: Permit, changed: Change['annotations'] = {}): Promise<NodeRuntime> {
    return this.#apply(runtime, { spec: { ...this.#spec(runtime), permit }, annotations: changed })
  }

  #spec({ spec }: NodeRuntime): NodeRuntimeSpec {
    return { permit: 'Observe', ...spec, fence: this.#options.fence }
  }

  #identity({ spec }: NodeRuntime): Pick<NodeRuntimeSpec, 'fence'> {
    return { ...(spec?.nodeUID && { nodeUID: spec.nodeUID }), fence: this.#options.fence }
  }

  /** Fails as a conflict when the NodeRuntime is not at the version that was read. */
  #apply({ metadata }: NodeRuntime, { spec, annotations: changed = {} }: Change): Promise<NodeRuntime> {
    const { name, uid, resourceVersion, ownerReferences } = metadata
    const object: NodeRuntime = {
      apiVersion: 'drydock.dev/v1alpha1',
      kind: 'NodeRuntime',
      metadata: {
        name,
        ...(uid && { uid }),
        ...(resourceVersion && { resourceVersion }),
        ...(ownerReferences && { ownerReferences: ownerReferences.filter(({ kind }) => kind === 'Node') }),
        labels: {
          [labels.managedBy]: managedByValue,
          ...(spec.profile && { [labels.profile]: labelValue(spec.profile) }),
        },
        annotations: ownAnnotations({ ...metadata.annotations, ...changed }),
      },
      spec,
    }
    return this.#options.client.apply<NodeRuntime>(NodeRuntimes, object, { fieldManager, force: true })
  }
}

const ownKeys = [
  annotations.report,
  annotations.repairs,
  annotations.retry,
  annotations.turn,
  annotations.gaveUp,
  annotations.committed,
]

const turnAnnotations = (turn: Turn): Record<string, string | undefined> => ({
  [annotations.turn]: JSON.stringify(turn),
  [annotations.report]: turn.report,
})

/** Only ours: an apply that named the annotations of others would take them over. */
function ownAnnotations(all: Readonly<Record<string, string | undefined>>): Record<string, string> {
  return Object.fromEntries(ownKeys.flatMap((key) => (all[key] === undefined ? [] : [[key, all[key]]])))
}

/** A label holds 63 characters, the name of a profile up to 253. */
export const labelValue = (name: string): string => name.slice(0, 63).replace(/[^A-Za-z0-9]+$/, '')
