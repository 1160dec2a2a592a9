/** How `npm run cluster` reads its arguments. Pure. */
import { UsageError } from '../support/command-line.ts'
import { defaultName } from './state.ts'

export interface CommandLine {
  readonly command: string
  readonly name: string
  readonly rest: readonly string[]
}

/** `--name CLUSTER` stands before the command, where an alias can hold it, or behind it. */
export function commandLineOf(argv: readonly string[]): CommandLine {
  const { name: first, rest } = takeName(argv, 1)
  const [command = '--help', ...args] = rest
  const second = takeName(args, reachOf(command, args))
  return { command, name: second.name ?? first ?? defaultName, rest: second.rest }
}

/** How many words may be our own: what is behind them belongs to the program that is wrapped. */
function reachOf(command: string, args: readonly string[]): number {
  if (command === 'kubectl' || command === 'helm') return 1
  return args.includes('--') ? args.indexOf('--') : args.length
}

function takeName(args: readonly string[], reach: number): { name: string | undefined; rest: string[] } {
  const at = args.findIndex((word, index) => index < reach && (word === '--name' || word.startsWith('--name=')))
  if (at < 0) return { name: undefined, rest: [...args] }
  const joined = args[at]!.startsWith('--name=')
  const name = joined ? args[at]!.slice('--name='.length) : args[at + 1]
  if (!name) throw new UsageError('--name CLUSTER')
  return { name, rest: args.filter((_, index) => index !== at && (joined || index !== at + 1)) }
}
