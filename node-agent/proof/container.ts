/**
 * What runs in a proof's container, bundled to /app/proof.cjs in the agent's image.
 *
 * `serve TOKEN` prints one line and answers each HTTP request with the token until SIGTERM.
 * `stay TOKEN` does the same without listening, for the host's network, where the port may be taken.
 * `token` prints the token of process 1: run in the container, it shows that it got there.
 */
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { proofPort, readyLine, stayLine } from './contract.ts'

const modes: Readonly<Record<string, (token: string) => void>> = { serve, stay, token: printToken }

function main(): void {
  const [name = '', token = ''] = process.argv.slice(2)
  const mode = modes[name] ?? usage
  mode(token)
}

function usage(): void {
  console.error('usage: proof.cjs serve TOKEN | stay TOKEN | token')
  process.exitCode = 2
}

function printToken(): void {
  const argv = readFileSync('/proc/1/cmdline', 'utf8').split('\0').filter(Boolean)
  process.stdout.write(argv.at(-1) ?? '')
}

/** As process 1 of its namespace it has no default actions: an unhandled SIGTERM would be ignored until the kill. */
function endOnSignal(): void {
  process.on('SIGTERM', () => process.exit(0))
}

function stay(token: string): void {
  endOnSignal()
  // A process ends when nothing keeps it.
  setInterval(() => undefined, 3_600_000)
  console.log(stayLine(token))
}

function serve(token: string): void {
  endOnSignal()
  createServer((_, response) => response.end(token)).listen(proofPort, () => console.log(readyLine(token)))
}

main()
