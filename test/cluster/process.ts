import { spawn } from 'node:child_process'

export interface Output {
  /** Exit code; 128 + signal number when a signal ended the process, 124 when its time was over. */
  code: number
  stdout: string
  stderr: string
}

export interface RunOptions {
  /** Written to standard input, which is then closed; a number is an open file descriptor. */
  input?: string | Buffer | number
  /** Milliseconds after which the process and all that share its group are ended. */
  timeout?: number
  cwd?: string
  env?: NodeJS.ProcessEnv
  /** Gets each complete line of standard output and error as it comes. */
  onLine?: (line: string) => void
}

/** The command did not end well; the message carries what it said last. */
export class CommandError extends Error {
  readonly output: Output
  constructor(argv: readonly string[], output: Output) {
    const said = (output.stderr.trim() || output.stdout.trim()).split('\n').slice(-15).join('\n')
    super(`${argv.slice(0, 6).join(' ')} ended with ${output.code}${said ? `:\n${said}` : ''}`)
    this.output = output
  }
}

const signalNumbers: Record<string, number> = { SIGHUP: 1, SIGINT: 2, SIGABRT: 6, SIGKILL: 9, SIGSEGV: 11, SIGTERM: 15 }

/**
 * Runs a program to its end and resolves with what it said, whatever its exit code.
 * The kernel ends the program when this process dies (parent death signal), so that an `up` that was
 * killed half way does not go on writing behind the back of the `down` that follows.
 * Rejects only when the program cannot be started.
 */
export function run(argv: readonly string[], options: RunOptions = {}): Promise<Output> {
  return new Promise((resolve, reject) => {
    const child = spawn('setpriv', ['--pdeathsig', 'KILL', ...argv], {
      cwd: options.cwd,
      env: options.env ?? process.env,
      detached: true,
      stdio: [typeof options.input === 'number' ? options.input : 'pipe', 'pipe', 'pipe'],
    })
    const output = { stdout: '', stderr: '' }
    for (const stream of ['stdout', 'stderr'] as const) {
      const lines = lineSplitter(options.onLine)
      child[stream]?.setEncoding('utf8').on('data', (chunk: string) => {
        output[stream] += chunk
        lines(chunk)
      })
    }
    let timedOut = false
    const timer =
      options.timeout === undefined
        ? undefined
        : setTimeout(() => {
            timedOut = true
            endGroup(child.pid)
          }, options.timeout)
    child.on('error', (cause) => reject(new Error(`cannot start ${argv[0]}: ${cause.message}`, { cause })))
    child.on('close', (code, signal) => {
      clearTimeout(timer)
      const ended = code ?? 128 + (signalNumbers[signal ?? ''] ?? 0)
      resolve({ code: timedOut ? 124 : ended, ...output })
    })
    // A program that ends without reading its input closes the pipe first: that is no error of ours.
    child.stdin?.on('error', () => undefined)
    if (typeof options.input !== 'number') child.stdin?.end(options.input)
  })
}

/** Standard output of a program that must end with 0. Throws CommandError. */
export async function must(argv: readonly string[], options: RunOptions = {}): Promise<string> {
  return succeeded(argv, await run(argv, options))
}

/** Standard output of an ended command. Throws CommandError unless its exit code is 0. */
export function succeeded(argv: readonly string[], output: Output): string {
  if (output.code !== 0) throw new CommandError(argv, output)
  return output.stdout
}

function endGroup(leader: number | undefined): void {
  try {
    if (leader) process.kill(-leader, 'SIGKILL')
  } catch {
    // Ended in the meantime.
  }
}

function lineSplitter(onLine: RunOptions['onLine']): (chunk: string) => void {
  if (!onLine) return () => undefined
  let rest = ''
  return (chunk) => {
    const lines = (rest + chunk).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) onLine(line)
  }
}
