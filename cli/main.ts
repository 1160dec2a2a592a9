/** `drydock`, also as `kubectl drydock`: looks at what the operator and the agents do; `drydock node` changes the machine that it runs on. */
import { exitCodes } from './answer.ts'
import { run } from './program.ts'
import { coloured, plain } from './render/paint.ts'

const narrow = 100

/** Waits until a pipe has taken everything: the process ends right after. */
const write = (stream: NodeJS.WriteStream) => (text: string) =>
  new Promise<void>((resolve) => stream.write(text, () => resolve()))

const main = async () => {
  const { stdin, stdout, stderr } = process
  let lost: NodeJS.ErrnoException | undefined
  // The reader of a pipe may have seen enough, as in `drydock check | head`: that changes nothing of the answer.
  stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') lost ??= error
  })
  // Nobody is left to tell.
  stderr.on('error', () => {})
  const code = await run(process.argv.slice(2), {
    input: stdin,
    print: write(stdout),
    complain: write(stderr),
    // hasColors heeds NO_COLOR.
    paint: stdout.isTTY && stdout.hasColors() ? coloured : plain,
    width: stdout.isTTY ? stdout.columns : narrow,
  })
  if (lost) await write(stderr)(`drydock: the answer could not be written to standard output: ${lost.message}\n`)
  // Kept-alive connections would hold the process for their idle time.
  process.exit(lost ? exitCodes.none : code)
}
void main()
