/** What is said of one machine. Pure. */
import type { NodeRuntimeStatus } from '../../crds/types.gen.ts'
import { type Answer, exitCodes } from '../answer.ts'
import { paintDiff } from '../render/diff.ts'
import { humanMilliseconds } from '../render/duration.ts'
import { type Paint, printable } from '../render/paint.ts'

type Observed = NonNullable<NodeRuntimeStatus['observed']>

export const json = (value: unknown, code: Answer['code'] = exitCodes.good): Answer => ({
  text: `${JSON.stringify(value, undefined, 2)}\n`,
  code,
})

export const engineOf = ({ engine, cgroup }: Observed): string => {
  const { name = 'none', version, socket } = engine ?? {}
  if (name === 'none') return 'no container engine'
  const driver = cgroup?.engineDriver
  return [`${name} ${version ?? ''}`.trim(), driver && `cgroup driver ${driver}`, socket].filter(Boolean).join(', ')
}

export const notesOf = ({ notes = [] }: Pick<NodeRuntimeStatus, 'notes'>): readonly string[] =>
  notes.map((note) => `! ${printable(note)}`)

export const changesOf = ({ changes = [] }: Pick<NodeRuntimeStatus, 'changes'>, paint: Paint): readonly string[] =>
  changes.map(({ diff }) => paintDiff(printable(diff.trimEnd()), paint))

export const observedOf = (observed: Observed): readonly string[] => {
  const { cgroup, handlers = [], kubeletVersion, os, sandboxImage } = observed
  const named = handlers.map(({ name, default: isDefault }) => (isDefault ? `${name} (default)` : name))
  return [
    `engine:   ${engineOf(observed)}`,
    ...(named.length > 0 ? [`handlers: ${named.join(', ')}`] : []),
    ...(sandboxImage ? [`pause:    ${sandboxImage}`] : []),
    `kubelet:  ${kubeletVersion ?? 'none'}${cgroup?.kubeletDriver ? `, cgroup driver ${cgroup.kubeletDriver}` : ''}`,
    `system:   ${[os?.id, os?.version, os?.kernel].filter(Boolean).join(' ')}, cgroup ${cgroup?.version}`,
  ].map(printable)
}

/** What was proven, in one line. */
export const proofOf = ({ verification }: NodeRuntimeStatus): readonly string[] => {
  if (!verification) return []
  const { handlers = [], durationMilliseconds = 0 } = verification
  const named = handlers.map(({ name, podIP }) => (podIP ? `${name} (pod ${podIP})` : name))
  return [`proven by a pod of each handler in ${humanMilliseconds(durationMilliseconds)}: ${named.join(', ')}`]
}

/** How a change has ended. */
export const endOf = (status: NodeRuntimeStatus, done: string, paint: Paint): Answer => {
  const { message = '', observed, phase } = status
  if (phase !== 'Committed') {
    const what = phase === 'RolledBack' ? 'undone, and the former state is back' : String(phase)
    return { text: `${paint('red', what)}: ${printable(message)}\n`, code: exitCodes.bad }
  }
  const lines = [
    paint('green', done),
    ...proofOf(status),
    ...(observed ? observedOf(observed) : []),
    ...notesOf(status),
  ]
  return { text: `${lines.join('\n')}\n`, code: exitCodes.good }
}
