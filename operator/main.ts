/** The operator's program: the only place where its parts are created. */
import { readFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import process from 'node:process'
import { KubeClient } from '../kube/client.ts'
import { systemClock } from '../kube/clock.ts'
import { EventRecorder } from '../kube/events.ts'
import { guardedTransport } from '../kube/guarded-transport.ts'
import { inClusterTransport } from '../kube/in-cluster.ts'
import { LeaderElector } from '../kube/lease.ts'
import { pinoLog } from '../kube/pino-log.ts'
import { prometheusMetrics } from '../kube/prometheus.ts'
import { serve } from '../kube/serve.ts'
import type { Transport } from '../kube/transport.ts'
import { daemonSetOf } from './controllers/agent/daemonset.ts'
import { lead } from './operator.ts'
import { type CommonOptions, help, parseOptions, type RunOptions, type UninstallOptions } from './options.ts'
import { leaseName } from './resources.ts'
import { uninstall } from './uninstall.ts'

const serviceAccount = '/var/run/secrets/kubernetes.io/serviceaccount'

async function main(): Promise<number> {
  const options = parseOptions(process.argv.slice(2), { env: process.env, hostname: hostname(), pid: process.pid })
  if (options.command === 'help') {
    process.stdout.write(help)
    return 0
  }
  const stop = new AbortController()
  const stopOn = (signal: NodeJS.Signals): void => {
    process.once(signal, () => stop.abort(new Error(`stopped by ${signal}`)))
  }
  stopOn('SIGTERM')
  stopOn('SIGINT')
  return options.command === 'run' ? await run(options, stop.signal) : await leave(options, stop.signal)
}

/** client-node costs 90 MB of memory: it is loaded only for those who bring a kubeconfig. */
async function transportOf({ kubeconfig, server }: CommonOptions): Promise<Transport> {
  if (kubeconfig !== undefined) return (await import('../kube/kubeconfig.ts')).kubeconfigTransport(kubeconfig)
  return inClusterTransport({ ...server, tokenFile: `${serviceAccount}/token`, caFile: `${serviceAccount}/ca.crt` })
}

async function run(options: RunOptions, signal: AbortSignal): Promise<number> {
  const { namespace, identity } = options
  const clock = systemClock
  const log = pinoLog({ level: options.logLevel })
  const metrics = prometheusMetrics({ prefix: 'drydock_' })
  const agent = await agentOf(options)
  const transport = await transportOf(options)
  const common = { userAgent: 'drydock-operator', clock, metrics }
  const client = new KubeClient(transport, common)
  const elector = new LeaderElector({ client, namespace, name: leaseName, identity, clock, log, metrics })
  // After a pause of this machine another operator may be at work before any timer here has told us.
  const guarded = guardedTransport(transport, () => elector.isLeading)
  const leading = new KubeClient(guarded, common)
  const events = new EventRecorder({
    client,
    controller: 'drydock.dev/operator',
    instance: identity.slice(0, 128),
    namespace: 'default',
    clock,
    log,
  })
  let isSynced = false
  const serving = await serve({
    port: options.port,
    healthy: {},
    // Who stands by is ready: it does what it is there for.
    ready: {
      caches: () => (elector.state.phase === 'leading' && !isSynced ? 'the caches are still being filled' : undefined),
    },
    metrics,
  })
  log.info('operator started', { namespace, identity, port: serving.port })
  try {
    const end = await elector.run({
      signal,
      onStarted: async (fence, leaderSignal) => {
        const onSynced = (): void => {
          isSynced = true
        }
        const { courierTimeoutSeconds } = options
        const operator = { client: leading, clock, log, metrics, events, agent, courierTimeoutSeconds }
        await lead(operator, { fence, signal: leaderSignal, onSynced })
        await events.flush()
      },
    })
    log.info('operator ended', { end })
    return end === 'released' ? 0 : 1
  } finally {
    await serving.close()
    transport.close()
  }
}

async function agentOf({ agentManifest, agentImage, agentPullPolicy, agentPullSecrets, namespace }: RunOptions) {
  if (agentManifest === undefined) return undefined
  const manifest: unknown = JSON.parse(await readFile(agentManifest, 'utf8'))
  return daemonSetOf(manifest, {
    namespace,
    image: agentImage,
    pullPolicy: agentPullPolicy,
    pullSecrets: agentPullSecrets,
  })
}

async function leave(options: UninstallOptions, signal: AbortSignal): Promise<number> {
  const { namespace, identity, timeoutSeconds } = options
  const transport = await transportOf(options)
  const client = new KubeClient(transport, { userAgent: 'drydock-uninstall' })
  const say = (line: string): void => {
    process.stdout.write(`${line}\n`)
  }
  try {
    await uninstall({ client, clock: systemClock, namespace, identity, timeoutSeconds, signal, say })
    return 0
  } finally {
    transport.close()
  }
}

main().then(
  // A leader that lost its lease must not go on, whatever is still open.
  (code) => process.exit(code),
  (error: Error) => {
    process.stderr.write(`drydock-operator: ${error.message}\n`)
    process.exit(1)
  },
)
