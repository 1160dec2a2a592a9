/** Wrong usage, told in the same way by every program of this folder: one sentence, and exit code 2. */

/** The command line is wrong; the message says how to write it. */
export class UsageError extends Error {}

/** The sentence to end with when the command line is what is wrong, be it found by us or by parseArgs. */
export function wrongUsage(error: unknown): string | undefined {
  const { message, code } = error as NodeJS.ErrnoException
  if (error instanceof UsageError) return message
  // It goes on with advice on positional arguments, which these programs do not take.
  return code?.startsWith('ERR_PARSE_ARGS') ? message.split('. ')[0] : undefined
}

/** The value of an option that is a whole number from 1. */
export function positive(option: string, text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new UsageError(`${option} ${text}: write a whole number from 1`)
  return Number(text)
}
