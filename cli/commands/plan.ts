/** `drydock plan`: what the current order changes on each node, as a diff, and what it disrupts. */
import type { NodeRuntime, NodeRuntimeStatus } from '../../crds/types.gen.ts'
import { NodeRuntimes } from '../../operator/resources.ts'
import { answerOf } from '../../operator/rollout/answer.ts'
import { type Answer, answer } from '../answer.ts'
import { type Lister, listOurs, named } from '../connect.ts'
import { paintDiff } from '../render/diff.ts'
import { type Paint, printable } from '../render/paint.ts'

const disruption = {
  None: 'nothing is disrupted',
  Restart: 'the engine restarts, pods keep running',
  DrainRestart: 'the node is drained, then its pods are created anew',
  DrainSwitch: 'the node is drained, then its pods are created anew on another engine',
} as const

export interface NodePlan {
  readonly node: string
  readonly profile?: string
  readonly revision?: string
  readonly phase?: NonNullable<NodeRuntimeStatus['phase']>
  readonly action?: NonNullable<NodeRuntimeStatus['action']>
  /** The engine now and the engine that the order asks for, when they differ. */
  readonly engine?: { readonly from: string; readonly to: string }
  /** One sentence. */
  readonly summary: string
  readonly changes: NonNullable<NodeRuntimeStatus['changes']>
  /** One sentence each: what else a person should know before the change. */
  readonly notes: readonly string[]
}

export const planOf = (runtime: NodeRuntime): NodePlan => {
  const { profile, revision } = runtime.spec ?? {}
  const status = answerOf(runtime)
  const { phase, action } = status ?? {}
  const engine = exchangeOf(runtime)
  return {
    node: runtime.metadata.name,
    ...(profile !== undefined && { profile }),
    ...(revision !== undefined && { revision }),
    ...(phase && { phase }),
    ...(action && { action }),
    ...(engine && { engine }),
    summary: summaryOf(revision, status),
    changes: status?.changes ?? [],
    notes: [...(status?.notes ?? []), ...(status?.images?.message ? [status.images.message] : [])],
  }
}

const exchangeOf = ({ spec, status }: NodeRuntime): NodePlan['engine'] => {
  const { name, version } = status?.observed?.engine ?? {}
  const { engine } = spec?.target ?? {}
  if (name === undefined || engine === undefined || name === engine.name) return undefined
  return {
    from: [name, version].filter(Boolean).join(' '),
    to: [engine.name, engine.version].filter(Boolean).join(' '),
  }
}

const summaryOf = (revision: string | undefined, status: NodeRuntimeStatus | undefined): string => {
  if (revision === undefined) return 'no profile selects it'
  if (status?.phase === undefined) return 'not prepared yet'
  const { phase, action, message = '' } = status
  if (phase === 'Refused') return `Refused, nothing is touched: ${message}`
  if (phase === 'Preparing' || action === undefined) return message === '' ? phase : `${phase}: ${message}`
  return `${phase}, ${action} (${disruption[action]})`
}

const textOf = ({ node, phase, engine, summary, changes, notes }: NodePlan, paint: Paint): string => {
  const head = `${paint('bold', node)}: ${paint(phase === 'Refused' ? 'red' : 'cyan', printable(summary))}`
  const exchange = engine ? [`  ${printable(`${engine.from} → ${engine.to}`)}`] : []
  const remarks = notes.map((note) => `  ! ${printable(note)}`)
  return `${[head, ...exchange, ...remarks, ...changes.map(({ diff }) => paintDiff(printable(diff.trimEnd()), paint))].join('\n')}\n`
}

export interface PlanOptions {
  readonly node: string | undefined
  readonly output: 'text' | 'json'
  readonly paint: Paint
}

export const plan = async (client: Lister, { node, output, paint }: PlanOptions): Promise<Answer> => {
  const found = await listOurs<NodeRuntime>(client, NodeRuntimes, node === undefined ? {} : named(node))
  if (node !== undefined && found.length === 0)
    throw new Error(`no NodeRuntime ${node}: \`kubectl get noderuntimes\` lists them`)
  if (found.length === 0) return answer('no node has reported yet: `drydock status` says why\n')
  const plans = found.map(planOf)
  if (output === 'json') return answer(`${JSON.stringify(plans, undefined, 2)}\n`)
  return answer(plans.map((each) => textOf(each, paint)).join('\n'))
}
