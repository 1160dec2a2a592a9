/** What the checks look at: plain data. */
import type { NodeRuntime, RuntimeProfile } from '../../crds/types.gen.ts'
import type { KubeObject } from '../../kube/resource.ts'
import type { BudgetObject } from '../../operator/controllers/drain/disruption.ts'
import type { DrainOptions } from '../../operator/controllers/drain/plan.ts'
import { type NodeObject as OperatorNode, viewOf } from '../../operator/controllers/node/view.ts'
import { answerOf, drains } from '../../operator/rollout/answer.ts'
import { selects } from '../../operator/rollout/selector.ts'
import type { NodeView } from '../../operator/rollout/types.ts'

export interface Container {
  name: string
  image?: string
  imagePullPolicy?: string
  env?: { name: string; value?: string }[]
  securityContext?: { privileged?: boolean }
}

export interface Pod extends KubeObject {
  spec?: {
    nodeName?: string
    runtimeClassName?: string
    containers?: Container[]
    initContainers?: Container[]
    volumes?: { name?: string; emptyDir?: object; hostPath?: { path: string } }[]
  }
  status?: {
    phase?: string
    conditions?: { type: string; status: string }[]
    containerStatuses?: { name?: string; image?: string; imageID?: string }[]
  }
}

export interface NodeObject extends OperatorNode {
  status?: OperatorNode['status'] & { nodeInfo?: { operatingSystem?: string; osImage?: string } }
}

export interface RuntimeClass extends KubeObject {
  handler?: string
}

export interface Cluster {
  readonly nodes: readonly NodeObject[]
  readonly pods: readonly Pod[]
  readonly budgets: readonly BudgetObject[]
  readonly runtimeClasses: readonly RuntimeClass[]
  /** Undefined: Drydock is not installed. */
  readonly profiles: readonly RuntimeProfile[] | undefined
  readonly runtimes: readonly NodeRuntime[]
}

/** One node that the rollout would come to. */
export interface LookNode {
  readonly view: NodeView
  /** Operating system and distribution, as the kubelet says them. */
  readonly operatingSystem: string
  readonly osImage: string
  readonly pods: readonly Pod[]
  readonly runtime: NodeRuntime | undefined
  /** Names of the profiles that select it. */
  readonly profiles: readonly string[]
  /** The engine under the kubelet: containerd, cri-o, docker; empty when the Node does not say. */
  readonly engine: string
  /** What comes in its place: of the profile that selects the node alone, else unknown for Docker, which has to go. */
  readonly move: Move | undefined
  /** Of the profile that selects it alone, else the defaults. */
  readonly drain: DrainOptions
  /** False when the node has prepared its order and the change needs no drain. */
  readonly drains: boolean
}

/** A node gets another engine. */
export interface Move {
  /** Undefined: no profile says it yet. */
  readonly to: string | undefined
  readonly migration: NonNullable<RuntimeProfile['spec']['migration']>
  /** Names of the handlers that the new engine gets. */
  readonly handlers: readonly string[]
}

export interface Look {
  readonly nodes: readonly LookNode[]
  /** The nodes of the whole cluster. */
  readonly everyNode: readonly NodeView[]
  readonly budgets: readonly BudgetObject[]
  readonly runtimeClasses: readonly RuntimeClass[]
  readonly profiles: readonly RuntimeProfile[]
  readonly installed: boolean
}

/** The whole cluster when neither is given. */
export interface Scope {
  readonly profile?: string | undefined
  readonly nodes?: readonly string[] | undefined
}

/** Throws a sentence when the scope names something that is not there. */
export const lookAt = (cluster: Cluster, scope: Scope): Look => {
  const { nodes, budgets, runtimeClasses, runtimes } = cluster
  const profiles = (cluster.profiles ?? []).filter(({ metadata }) => !metadata.deletionTimestamp)
  const isWanted = wanted(scope, profiles, nodes)
  const chosen = nodes.filter(isWanted)
  const podsOf = Map.groupBy(cluster.pods, ({ spec }) => spec?.nodeName ?? '')
  return {
    nodes: chosen.map((node) => {
      const { name = '', labels = {} } = node.metadata
      const selecting = profiles.filter(({ spec }) => selects(spec.nodeSelector, labels))
      const runtime = runtimes.find(({ metadata }) => metadata.name === name)
      return { ...describe(node, selecting, runtime), pods: podsOf.get(name) ?? [] }
    }),
    everyNode: nodes.map(viewOf),
    budgets,
    runtimeClasses,
    profiles,
    installed: cluster.profiles !== undefined,
  }
}

const describe = (
  node: NodeObject,
  selecting: readonly RuntimeProfile[],
  runtime: NodeRuntime | undefined,
): Omit<LookNode, 'pods'> => {
  const only = selecting.length === 1 ? selecting[0]?.spec : undefined
  const drain = only?.rollout?.drain
  const view = viewOf(node)
  const engine = /^([a-z0-9-]+):\/\//.exec(view.runtimeVersion ?? '')?.[1] ?? ''
  const action = runtime && answerOf(runtime)?.action
  const { operatingSystem = '', osImage = '' } = node.status?.nodeInfo ?? {}
  return {
    view,
    engine,
    move: moveOf(engine, only),
    operatingSystem,
    osImage,
    runtime,
    profiles: selecting.map(({ metadata }) => metadata.name).sort(),
    drain: {
      deleteEmptyDirData: drain?.deleteEmptyDirData ?? false,
      deleteUnmanagedPods: drain?.deleteUnmanagedPods ?? false,
    },
    drains: drains(action),
  }
}

const moveOf = (engine: string, spec: RuntimeProfile['spec'] | undefined): Move | undefined => {
  if (engine === '' || engine === spec?.engine.name) return undefined
  if (!spec) return engine === 'docker' ? { to: undefined, migration: {}, handlers: [] } : undefined
  const { engine: to, migration = {}, handlers = [] } = spec
  return { to: to.name, migration, handlers: handlers.map(({ name }) => name) }
}

const wanted = (
  scope: Scope,
  profiles: readonly RuntimeProfile[],
  nodes: readonly NodeObject[],
): ((node: NodeObject) => boolean) => {
  if (scope.profile !== undefined) {
    const profile = profiles.find(({ metadata }) => metadata.name === scope.profile)
    if (!profile) throw new Error(`no RuntimeProfile ${scope.profile}: \`kubectl get runtimeprofiles\` lists them`)
    return ({ metadata }) => selects(profile.spec.nodeSelector, metadata.labels ?? {})
  }
  const names = scope.nodes
  if (names === undefined) return () => true
  const missing = names.find((name) => !nodes.some(({ metadata }) => metadata.name === name))
  if (missing !== undefined) throw new Error(`no Node ${missing}: \`kubectl get nodes\` lists them`)
  return ({ metadata }) => names.includes(metadata.name ?? '')
}
