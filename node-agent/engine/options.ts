import { parseArgs } from 'node:util'

export interface Options {
  readonly command: 'serve' | 'boot'
  readonly stateDir: string
  /** A path to listen on, or a descriptor that systemd listens on. */
  readonly listen: { readonly path: string } | { readonly fd: number }
  readonly idleSeconds: number
}

export const help = `drydock engine: changes the container runtime of this node, proves it, or puts back what was there.

  engine [--socket PATH]     serve orders; without --socket on the socket that systemd passes
  engine boot                put the files of an unproven change back, before engines and kubelet start

  --state-dir FOLDER         where journal, backups and state are (/var/lib/drydock)
  --idle-seconds N           how long to stay when there is nothing to do (10)
  --help
`

/** The first descriptor that systemd passes. */
const firstFd = 3

/** Undefined when help was asked for. Throws a sentence for anything that is not an option. */
export function parseOptions(
  argv: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
  pid: number,
): Options | undefined {
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: {
      socket: { type: 'string' },
      'state-dir': { type: 'string', default: '/var/lib/drydock' },
      'idle-seconds': { type: 'string', default: '10' },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) return undefined
  const idleSeconds = Number(values['idle-seconds'])
  if (!(idleSeconds >= 0)) throw new Error(`--idle-seconds ${values['idle-seconds']} is not a number of seconds.`)
  const [command = 'serve', ...rest] = positionals
  if ((command !== 'serve' && command !== 'boot') || rest.length > 0) {
    throw new Error(`${positionals.join(' ')} is not a command: see --help.`)
  }
  const passed = env['LISTEN_FDS'] === '1' && env['LISTEN_PID'] === String(pid)
  const listen = values.socket === undefined ? { fd: firstFd } : { path: values.socket }
  if (command === 'serve' && values.socket === undefined && !passed) {
    throw new Error('systemd passed no socket: write --socket PATH.')
  }
  return { command, stateDir: values['state-dir'], listen, idleSeconds }
}
