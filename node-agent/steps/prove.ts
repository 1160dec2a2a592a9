import type { Side } from '../engines/engine.ts'
import type { Change, Expectation, Verification } from '../journal/records.ts'
import type { Step, StepContext } from './step.ts'

/** Each start of any of the units changes it. */
async function starts({ host }: StepContext, { units }: Side): Promise<string> {
  const states = await Promise.all(units.map((name) => host.unit(name)))
  return states.map(({ invocationId }) => invocationId).join()
}

/** Only pods that ran count, and only when the engine was one and the same throughout: one that flaps proves nothing. */
export async function proveExpectation(
  context: StepContext,
  side: Side,
  expectation: Expectation,
): Promise<Verification> {
  const { change, found, limit, runtime } = context
  await runtime.ready(side.endpoint, limit)
  const before = await starts(context, side)
  const { image, isWithoutNetwork } = change
  const wanted = { ...expectation, image, ...(isWithoutNetwork && { isWithoutNetwork }) }
  const verification = await runtime.prove(side.endpoint, wanted, limit)
  found({ verification })
  if (!verification.passed) throw new Error(verification.message ?? 'The proof failed.')
  if ((await starts(context, side)) !== before) {
    throw new Error(`${side.units.join(' or ')} restarted by itself during the proof.`)
  }
  return verification
}

const bare = (version: string | undefined): string | undefined => version?.replace(/^v/, '')

/** A program that runs is not yet the one that was to run: a drop-in of somebody else's may decide over ours. */
function checkVersion({ from, to }: Change, verification: Verification): void {
  if (from.name !== to.name || from.version === to.version) return
  const { engineVersion } = verification
  if (engineVersion === undefined || bare(engineVersion) !== bare(from.version)) return
  throw new Error(
    `${to.name} was to become ${to.version} and still is ${from.version}: see systemctl cat ${to.units.join(' ')}.`,
  )
}

/** The kubelet rests meanwhile: it removes pods that it does not know within two seconds. */
export const prove: Step = {
  name: 'prove',
  apply: async (context) => {
    const { change } = context
    checkVersion(change, await proveExpectation(context, change.to, change.wanted))
  },
}
