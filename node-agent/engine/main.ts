/** The node engine's program: the composition root. */
import { randomUUID } from 'node:crypto'
import type { Server } from 'node:http'
import type { Clock } from '../../kube/clock.ts'
import type { Log } from '../../kube/log.ts'
import { jsonLog } from '../courier/json-log.ts'
import { bootClock } from '../host/boot-clock.ts'
import { nodeDisk } from '../host/node-disk.ts'
import { systemHost } from '../host/system-host.ts'
import { lockFolder } from '../journal/lock.ts'
import { Store } from '../journal/store.ts'
import { restoreAtBoot } from './boot.ts'
import { NodeEngine } from './engine.ts'
import { kubeletHealthy } from './kubelet-health.ts'
import { Ledger } from './ledger.ts'
import { changeParts, lookAt } from './on-demand.ts'
import { help, type Options, parseOptions } from './options.ts'
import { closeSocket, removeDrydock } from './remove.ts'
import { type Served, serve } from './server.ts'

declare const DRYDOCK_VERSION: string

/** How long the courier has to ask once more after Drydock was taken off the node. */
const farewellMs = 30_000

async function machineID(): Promise<string> {
  return (await nodeDisk.read('/etc/machine-id'))?.toString().trim() ?? ''
}

async function serveOrders(options: Options, store: Store, log: Log): Promise<void> {
  const clock = bootClock()
  const host = systemHost()
  const id = await machineID()
  const stop = new AbortController()
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => stop.abort())
  const parts = {
    store,
    clock,
    host,
    log,
    ...changeParts({ host, clock, stateFolder: store.folder }),
    kubeletHealthy,
    look: () => lookAt(host),
    remove: () => removeDrydock(host, store.folder),
    machineID: id,
    version: DRYDOCK_VERSION,
  }
  const engine = new NodeEngine(parts, await Ledger.open(store, clock, id), stop.signal)
  const served = serve({ engine, clock, run: randomUUID() })
  await listen(served.server, options)
  const done = engine.run()
  const over = new AbortController()
  const end = (): void => over.abort()
  void done.then(end, end)
  const signal = AbortSignal.any([stop.signal, over.signal])
  await leaving(engine, served, { clock, idleMs: options.idleSeconds * 1000, signal })
  stop.abort()
  await done
  served.server.close()
  served.server.closeAllConnections()
  if (engine.removed) await closeSocket(host)
}

function listen(server: Server, { listen }: Options): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(listen, () => resolve())
  })
}

interface Leave {
  readonly clock: Clock
  readonly idleMs: number
  /** Aborts when the engine is told to stop, and when it has ended by itself. */
  readonly signal: AbortSignal
}

/** Resolves when the process may end. systemd starts it again at the next connection. */
async function leaving(engine: NodeEngine, served: Served, leave: Leave): Promise<void> {
  const { clock, idleMs, signal } = leave
  while (!signal.aborted && !engine.removed) {
    const quiet = engine.idle && !served.connected()
    const leftMs = served.lastMs() + idleMs - clock.monotonicMs()
    if (quiet && leftMs <= 0) return
    await clock.sleep(quiet ? leftMs : idleMs, signal)
  }
  for (let waitedMs = 0; engine.removed && !served.removalTold() && waitedMs < farewellMs; waitedMs += 100) {
    await clock.sleep(100)
  }
}

async function main(): Promise<void> {
  const options = parseOptions(process.argv.slice(2), process.env, process.pid)
  if (!options) {
    process.stdout.write(help)
    return
  }
  const log = jsonLog((line) => process.stdout.write(line))
  const store = new Store(nodeDisk, options.stateDir)
  await store.makeFolder()
  const lock = await lockFolder(options.stateDir)
  try {
    if (options.command === 'boot') await restoreAtBoot({ host: systemHost(), store, clock: bootClock(), log })
    else await serveOrders(options, store, log)
  } finally {
    await lock.close()
  }
}

main().catch((error: Error) => {
  process.stderr.write(`drydock engine: ${error.message}\n`)
  process.exitCode = 1
})
