/** `drydock`, also as `kubectl drydock`: looks at what the operator and the agents do; `drydock node` changes the machine that it runs on. */
import { run } from './program.ts'
import { coloured, plain } from './render/paint.ts'

const narrow = 100

/** Waits until a pipe has taken everything: the process ends right after. */
const write = (stream: NodeJS.WriteStream) => (text: string) =>
  new Promise<void>((resolve) => stream.write(text, () => resolve()))

const main = async () => {
  const { stdin, stdout, stderr } = process
  // The reader of a pipe may have seen enough, as in `drydock report | head`.
  stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1))
  const code = await run(process.argv.slice(2), {
    input: stdin,
    print: write(stdout),
    complain: write(stderr),
    // hasColors heeds NO_COLOR.
    paint: stdout.isTTY && stdout.hasColors() ? coloured : plain,
    width: stdout.isTTY ? stdout.columns : narrow,
  })
  // Kept-alive connections would hold the process for their idle time.
  process.exit(code)
}
void main()
