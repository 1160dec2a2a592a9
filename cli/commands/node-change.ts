/** `drydock node apply FILE`, `drydock node restore`: the engine of this machine, without a cluster. */
import { parseDuration } from '../../crds/duration.ts'
import { originalRevision } from '../../crds/protocol.ts'
import type { Embedded } from '../../node-agent/embedded/embedded.ts'
import { isRefusal } from '../../node-agent/engines/engine.ts'
import type { Order } from '../../node-agent/journal/records.ts'
import { revisionOf, targetOf } from '../../operator/rollout/revision.ts'
import { type Answer, exitCodes } from '../answer.ts'
import { type Complain, imageOf, type MachineOptions, withMachine } from '../node/machine.ts'
import { readProfile } from '../node/profile.ts'
import { changesOf, endOf, engineOf, json, notesOf } from '../node/render.ts'
import { type Paint, printable } from '../render/paint.ts'

export interface ChangeOptions extends MachineOptions {
  readonly dryRun?: boolean
  /** Pods that still run may go. */
  readonly yes?: boolean
}

export interface Screen {
  readonly input: NodeJS.ReadableStream
  readonly complain: Complain
  readonly paint: Paint
}

export const applyNode = async (file: string, options: ChangeOptions, screen: Screen): Promise<Answer> => {
  const { spec } = await readProfile(file, screen.input)
  const target = targetOf(spec)
  const timeout = spec.verify?.timeout
  const order = {
    revision: revisionOf(target),
    target,
    ...(timeout !== undefined && { timeoutSeconds: parseDuration(timeout) / 1000 }),
  }
  return change(order, { ...options, done: 'The machine runs what the profile asks for.' }, screen)
}

export const restoreNode = (options: ChangeOptions, screen: Screen): Promise<Answer> =>
  change({ revision: originalRevision }, { ...options, done: 'The machine is what it was before Drydock.' }, screen)

type Wish = Pick<Order, 'target' | 'timeoutSeconds'> & { readonly revision: string }

const change = (wish: Wish, options: ChangeOptions & { readonly done: string }, screen: Screen): Promise<Answer> =>
  withMachine({ ...options, complain: screen.complain }, async (machine) => {
    const { done, dryRun, output, yes = false } = options
    if (!wish.target && !machine.isChanged)
      return { text: 'Drydock has changed nothing on this machine.\n', code: exitCodes.good }
    const order = {
      ...wish,
      attempt: machine.attemptOf(wish.revision),
      permit: 'Switch',
      image: imageOf(options),
    } as const
    const refusal = await shown(machine, order, { dryRun, output, yes }, screen)
    if (refusal) return refusal
    const status = await machine.carryOut(order)
    if (output === 'json') return json(status, status.phase === 'Committed' ? exitCodes.good : exitCodes.bad)
    return endOf(status, done, screen.paint)
  })

type Showing = Pick<ChangeOptions, 'dryRun' | 'output' | 'yes'>

/** What the change would be, and an answer when it ends there. */
const shown = async (
  machine: Embedded,
  order: Order,
  { dryRun, output, yes }: { [Key in keyof Showing]: Showing[Key] | undefined },
  { paint }: Screen,
): Promise<Answer | undefined> => {
  const prepared = await machine.preview(order)
  if (isRefusal(prepared)) {
    if (output === 'json') return json({ phase: 'Refused', ...prepared }, exitCodes.bad)
    return {
      text: `${paint('red', 'Refused')}, nothing is touched: ${printable(prepared.message)}\n`,
      code: exitCodes.bad,
    }
  }
  const { planned, shown } = prepared
  const pods = await machine.podsLost(planned)
  if (dryRun && output === 'json') return json({ phase: 'Prepared', ...shown, pods })
  if (dryRun) {
    const { from, to } = planned.change
    const move = `${paint('bold', `${from.name} ${from.version ?? ''}`.trim())} → ${`${to.name} ${to.version ?? ''}`.trim()}, ${shown.action}`
    const lost = pods === 0 ? [] : [`! ${pods} pods run on this machine and would be removed.`]
    const lines = [move, ...lost, ...notesOf(shown), ...changesOf(shown, paint)]
    return { text: `${lines.join('\n')}\n`, code: exitCodes.good }
  }
  if (pods === 0 || yes) return undefined
  const now = shown.observed ? engineOf(shown.observed) : 'the engine'
  throw new Error(
    `${pods} pods run on ${now}, and this change removes them: drain the node (kubectl drain --ignore-daemonsets), then say --yes`,
  )
}
