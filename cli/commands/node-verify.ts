/** `drydock node verify`: the proof of the engine that this machine has. Nothing is changed. */
import type { Answer } from '../answer.ts'
import { exitCodes } from '../answer.ts'
import { imageOf, type MachineOptions, withMachine } from '../node/machine.ts'
import { endOf, json } from '../node/render.ts'
import type { Screen } from './node-change.ts'

const revision = 'verify'

export const verifyNode = (options: MachineOptions, { complain, paint }: Screen): Promise<Answer> =>
  withMachine({ ...options, complain, isOnlyProof: true }, async (machine) => {
    const status = await machine.carryOut({
      revision,
      attempt: machine.attemptOf(revision),
      permit: 'Switch',
      image: imageOf(options),
      // The plan of a proof takes nothing from it.
      target: { engine: { name: 'containerd' } },
    })
    if (options.output === 'json') return json(status, status.phase === 'Committed' ? exitCodes.good : exitCodes.bad)
    return endOf(status, 'The engine of this machine is proven.', paint)
  })
