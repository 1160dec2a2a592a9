import type { Side } from '../engines/engine.ts'
import type { Expectation } from '../journal/records.ts'
import type { Step, StepContext } from './step.ts'

/** Each start of any of the units changes it. */
async function starts({ host }: StepContext, { units }: Side): Promise<string> {
  const states = await Promise.all(units.map((name) => host.unit(name)))
  return states.map(({ invocationId }) => invocationId).join()
}

/** Only pods that ran count, and only when the engine was one and the same throughout: one that flaps proves nothing. */
export async function proveExpectation(context: StepContext, side: Side, expectation: Expectation): Promise<void> {
  const { change, found, limit, runtime } = context
  await runtime.ready(side.endpoint, limit)
  const before = await starts(context, side)
  const verification = await runtime.prove(side.endpoint, { ...expectation, image: change.image }, limit)
  found({ verification })
  if (!verification.passed) throw new Error(verification.message ?? 'The proof failed.')
  if ((await starts(context, side)) !== before) {
    throw new Error(`${side.units.join(' or ')} restarted by itself during the proof.`)
  }
}

/** The kubelet rests meanwhile: it removes pods that it does not know within two seconds. */
export const prove: Step = {
  name: 'prove',
  apply: (context) => proveExpectation(context, context.change.to, context.change.wanted),
}
