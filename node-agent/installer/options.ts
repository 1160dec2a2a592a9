import { parseArgs } from 'node:util'

export interface Options {
  readonly host: string
  readonly handover: string
  readonly waitSeconds: number
}

export const help = `drydock installer: puts the node engine on the host of this pod, and ends.

  --host FOLDER          where the host's root is mounted (/host)
  --handover FOLDER      where to leave what the courier must know (/run/drydock-installer)
  --wait-seconds N       how long to wait for a change that is under way on the node (900)
  --help
`

/** Undefined when help was asked for. Throws a sentence for anything that is not an option. */
export function parseOptions(argv: readonly string[]): Options | undefined {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      host: { type: 'string', default: '/host' },
      handover: { type: 'string', default: '/run/drydock-installer' },
      'wait-seconds': { type: 'string', default: '900' },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) return undefined
  const waitSeconds = Number(values['wait-seconds'])
  if (!Number.isInteger(waitSeconds) || waitSeconds < 0) {
    throw new Error(`--wait-seconds ${values['wait-seconds']} is not a number of seconds: write 0 or more`)
  }
  return { host: values.host, handover: values.handover, waitSeconds }
}
