/** What the commands for one machine have in common: the engine in this process, and what it says on the way. */
import { resolve } from 'node:path'
import type { NodeRuntimeStatus } from '../../crds/types.gen.ts'
import { type Log, silentLog } from '../../kube/log.ts'
import { Embedded } from '../../node-agent/embedded/embedded.ts'
import { printable } from '../render/paint.ts'
import { version } from '../version.ts'

export interface MachineOptions {
  readonly output: 'text' | 'json'
  /** Reference of the image that the pods of the proof run; absent: the agent's, of this version. */
  readonly image?: string
  /** Files with images. */
  readonly imageArchive?: readonly string[]
}

export type Complain = (text: string) => Promise<void>

const agentImage = 'drydock.dev/agent'

/** Of the pods of the proof. */
export const imageOf = ({ image }: MachineOptions): string => image ?? `${agentImage}:${version()}`

/** A line for each thing that happens. */
const teller = (complain: Complain): ((status: NodeRuntimeStatus) => void) => {
  let last = ''
  return ({ phase = '', message = '', reason }) => {
    if (phase === 'Committed') return
    const line = [phase, reason, message].filter(Boolean).join(': ')
    if (line !== last && line !== '') void complain(`${printable(line)}\n`)
    last = line
  }
}

/** What the engine does about errors is told by its status: of its log a person needs only what went wrong. */
const logTo = (complain: Complain): Log => {
  const tell = (message: string, fields: Readonly<Record<string, unknown>> = {}): void => {
    const { error } = fields
    void complain(`! ${printable(error instanceof Error ? `${message}: ${error.message}` : message)}\n`)
  }
  return { ...silentLog, warn: tell, error: tell }
}

/** Gives `act` the engine of this machine, with nothing open on it. The first Ctrl-C undoes what is under way. */
export const withMachine = async <T>(
  { imageArchive = [], complain, isOnlyProof = false }: Pick<MachineOptions, 'imageArchive'> & Work,
  act: (machine: Embedded) => Promise<T>,
): Promise<T> => {
  const interrupt = new AbortController()
  const end = (): void => {
    void complain('Interrupted: what was done is undone.\n')
    interrupt.abort()
  }
  const machine = await Embedded.open({
    archives: imageArchive.map((path) => resolve(path)),
    isOnlyProof,
    log: logTo(complain),
    version: version(),
    say: teller(complain),
    signal: interrupt.signal,
  })
  process.once('SIGINT', end).once('SIGTERM', end)
  try {
    await settled(machine, complain)
    return await act(machine)
  } finally {
    process.off('SIGINT', end).off('SIGTERM', end)
    await machine.close()
  }
}

interface Work {
  readonly complain: Complain
  readonly isOnlyProof?: boolean
}

/** A power cut may have come in the middle of a change. */
const settled = async (machine: Embedded, complain: Complain): Promise<void> => {
  const { left } = machine
  if (left === undefined) return
  await complain(`A change to revision ${left} was cut off; it is brought to an end first.\n`)
  const status = await machine.settle()
  await complain(`The change to revision ${left} has ended: ${status?.phase}. ${printable(status?.message ?? '')}\n`)
  if (status?.phase === 'Failed') {
    throw new Error(
      'the machine is between two states and could not be brought back: correct what is said above, then try again',
    )
  }
}
