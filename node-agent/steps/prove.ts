import type { Expectation } from '../journal/records.ts'
import type { Step, StepContext } from './step.ts'

/** Only pods that ran count, and only when the engine was one and the same throughout: one that flaps proves nothing. */
export async function proveExpectation(context: StepContext, expectation: Expectation): Promise<void> {
  const { change, found, host, limit, runtime } = context
  await runtime.ready(change.endpoint, limit)
  const { invocationId } = await host.unit(change.engineUnit)
  const wanted = { ...expectation, image: change.image }
  const verification = await runtime.prove(change.endpoint, wanted, limit)
  found({ verification })
  if (!verification.passed) throw new Error(verification.message ?? 'The proof failed.')
  const after = await host.unit(change.engineUnit)
  if (after.invocationId !== invocationId) throw new Error(`${change.engineUnit} restarted by itself during the proof.`)
}

/** The kubelet rests meanwhile: it removes pods that it does not know within two seconds. */
export const prove: Step = {
  name: 'prove',
  apply: (context) => proveExpectation(context, context.change.wanted),
}
