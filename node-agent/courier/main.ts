/** The courier: the long-running, unprivileged container of the agent's pod. */
import { join } from 'node:path'
import { KubeClient } from '../../kube/client.ts'
import { systemClock } from '../../kube/clock.ts'
import { inClusterTransport } from '../../kube/in-cluster.ts'
import { readHandover } from '../installer/handover.ts'
import { Courier } from './courier.ts'
import { engineClient } from './engine-client.ts'
import { jsonLog } from './json-log.ts'
import { help, parseOptions } from './options.ts'
import { untouchedHost } from './untouched-host.ts'

declare const DRYDOCK_VERSION: string

async function main(): Promise<void> {
  const options = parseOptions(process.argv.slice(2), process.env)
  if (!options) {
    process.stdout.write(help)
    return
  }
  const { node, image, tokenFolder, api } = options
  const log = jsonLog((line) => process.stdout.write(line))
  const transport = inClusterTransport({
    ...api,
    tokenFile: join(tokenFolder, 'token'),
    caFile: join(tokenFolder, 'ca.crt'),
  })
  const handover = await readHandover(options.handover)
  const engine = handover.supported
    ? engineClient(options.engineSocket)
    : untouchedHost(handover, DRYDOCK_VERSION, systemClock.now)
  const stop = new AbortController()
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => stop.abort())
  const client = new KubeClient(transport, { userAgent: `drydock-courier/${DRYDOCK_VERSION}` })
  log.info('courier started', { node, version: DRYDOCK_VERSION })
  await new Courier({ node, image, client, engine, clock: systemClock, random: Math.random, log }).run(stop.signal)
  transport.close()
}

main().catch((error: Error) => {
  process.stderr.write(`drydock courier: ${error.message}\n`)
  process.exitCode = 1
})
