/** One RuntimeProfile out of a file, judged as `drydock check` judges it. */
import type { RuntimeProfile } from '../../crds/types.gen.ts'
import { createValidator } from '../../crds/validate.ts'
import { UsageError } from '../answer.ts'
import { check } from '../check/check.ts'
import { read } from '../check/read.ts'

/** Throws UsageError with everything that is wrong with the file. */
export const readProfile = async (name: string, input: NodeJS.ReadableStream): Promise<RuntimeProfile> => {
  const { problems, profiles, objects } = check(await read(name, input), createValidator())
  if (problems.length > 0) throw new UsageError(`${name} is wrong:\n${problems.join('\n')}`)
  if (profiles !== 1) throw new UsageError(`${name} has ${profiles} RuntimeProfiles: one machine takes exactly one`)
  return objects[0] as RuntimeProfile
}
