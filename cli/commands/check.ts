/** `drydock check FILE...`: RuntimeProfiles judged without a cluster. */
import { createValidator } from '../../crds/validate.ts'
import { type Answer, exitCodes } from '../answer.ts'
import { check } from '../check/check.ts'
import { read } from '../check/read.ts'

export const checkFiles = async (names: readonly string[], input: NodeJS.ReadableStream): Promise<Answer> => {
  const sources = await Promise.all(names.map((name) => read(name, input)))
  const validate = createValidator()
  const verdicts = sources.map((source) => check(source, validate))
  const problems = verdicts.flatMap((verdict) => verdict.problems)
  const profiles = verdicts.reduce((sum, verdict) => sum + verdict.profiles, 0)
  const isGood = problems.length === 0 && profiles > 0
  return {
    text: problems.map((line) => `${line}\n`).join(''),
    notes: [...verdicts.flatMap(({ skipped }) => skipped), summary(problems.length, profiles, names), ''].join('\n'),
    code: isGood ? exitCodes.good : exitCodes.bad,
  }
}

const summary = (problems: number, profiles: number, names: readonly string[]): string => {
  if (problems > 0) return `${problems} ${problems === 1 ? 'problem' : 'problems'} found`
  if (profiles === 0) return `there is no RuntimeProfile in ${names.join(', ')}`
  return profiles === 1 ? '1 RuntimeProfile is valid' : `${profiles} RuntimeProfiles are valid`
}
