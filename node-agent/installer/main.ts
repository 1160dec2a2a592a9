/** The installer: the privileged init container of the agent's pod. */
import { systemClock } from '../../kube/clock.ts'
import { jsonLog } from '../courier/json-log.ts'
import { unitsOf } from '../engine/units.ts'
import { writeHandover } from './handover.ts'
import { install } from './install.ts'
import { help, parseOptions } from './options.ts'
import { payload } from './payload.ts'
import { unsupported } from './support.ts'
import { hostSystemctl } from './systemctl.ts'

declare const DRYDOCK_VERSION: string

async function main(): Promise<void> {
  const log = jsonLog((line) => process.stdout.write(line))
  const options = parseOptions(process.argv.slice(2))
  if (!options) {
    process.stdout.write(help)
    return
  }
  const { host: root, handover, waitSeconds } = options
  const refusal = await unsupported(root)
  if (refusal) {
    log.warn('this host stays untouched', { reason: refusal.reason, message: refusal.message })
    await writeHandover(handover, refusal)
    return
  }
  await install({
    root,
    version: DRYDOCK_VERSION,
    files: await payload({ image: '/', arch: process.arch }),
    units: unitsOf,
    systemctl: hostSystemctl(root),
    clock: systemClock,
    log,
    waitMs: waitSeconds * 1000,
  })
  await writeHandover(handover, { supported: true })
  log.info('the engine is in place', { version: DRYDOCK_VERSION })
}

main().catch((error: Error) => {
  process.stderr.write(`drydock installer: ${error.message}\n`)
  process.exitCode = 1
})
