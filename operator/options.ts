/** The command line and the environment: the only place that reads them. */
import { parseArgs } from 'node:util'

export interface CommonOptions {
  readonly namespace: string
  /** Who we are to others: the name of the pod. */
  readonly identity: string
  readonly logLevel: 'debug' | 'info' | 'warn' | 'error'
  /** Undefined: the service account of the pod. */
  readonly kubeconfig: string | undefined
  /** Of the API server as a pod sees it; used without a kubeconfig. */
  readonly server: { readonly host: string; readonly port: number }
}

export interface RunOptions extends CommonOptions {
  readonly command: 'run'
  /** 0: any free port. */
  readonly port: number
  /** File of the agent's DaemonSet; undefined: somebody else runs the agents. */
  readonly agentManifest: string | undefined
  readonly agentImage: string
  readonly agentPullPolicy: 'Always' | 'IfNotPresent' | 'Never'
  readonly agentPullSecrets: readonly string[]
  readonly courierTimeoutSeconds: number
}

export interface UninstallOptions extends CommonOptions {
  readonly command: 'uninstall'
  readonly timeoutSeconds: number
}

export type Options = RunOptions | UninstallOptions | { readonly command: 'help' }

export const help = `drydock-operator: rolls RuntimeProfiles out, node by node

usage: operator run [option ...]        lead, or stand by for the leader
       operator uninstall [option ...]  take Drydock off every node; refuses while there is a RuntimeProfile

both
  --namespace NAME            where lease and agent live (default: drydock-system)
  --identity NAME             name of this process, another one for each (default: host name and process id)
  --kubeconfig FILE           instead of the service account of the pod
  --log-level LEVEL           debug, info, warn or error (default: info)
  --help                      this text
run
  --port NUMBER               /healthz, /readyz and /metrics (default: 8080)
  --agent-manifest FILE       DaemonSet of the agent as JSON; without it no agent is deployed
  --agent-image IMAGE         image of the agent; needed with --agent-manifest
  --agent-pull-policy POLICY  Always, IfNotPresent or Never (default: IfNotPresent)
  --agent-pull-secret NAME    pull secret of the agent; may be repeated
  --courier-timeout SECONDS   time that an agent's pod has to come back after a proof (default: 180)
uninstall
  --timeout SECONDS           time that the nodes have to take Drydock off (default: 300)
`

const flags = {
  namespace: { type: 'string', default: 'drydock-system' },
  identity: { type: 'string' },
  kubeconfig: { type: 'string' },
  'log-level': { type: 'string', default: 'info' },
  help: { type: 'boolean', default: false },
  port: { type: 'string', default: '8080' },
  'agent-manifest': { type: 'string' },
  'agent-image': { type: 'string' },
  'agent-pull-policy': { type: 'string', default: 'IfNotPresent' },
  'agent-pull-secret': { type: 'string', multiple: true, default: [] as string[] },
  'courier-timeout': { type: 'string', default: '180' },
  timeout: { type: 'string', default: '300' },
} as const

export interface Surroundings {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly hostname: string
  readonly pid: number
}

/** Throws with a sentence that says which option is wrong and what to write. */
export function parseOptions(args: readonly string[], surroundings: Surroundings): Options {
  const { values, positionals } = parseArgs({ args: [...args], options: flags, allowPositionals: true })
  if (values.help) return { command: 'help' }
  const [command = 'run', ...rest] = positionals
  if (rest.length > 0) throw new Error(`unexpected argument ${rest[0]}: see --help`)
  const { env, hostname, pid } = surroundings
  const common = {
    namespace: values.namespace,
    // Another one for each start: a container that restarts in its pod is another process to the lease.
    identity: `${values.identity ?? hostname}_${pid}_${Date.now().toString(36)}`,
    logLevel: oneOf('--log-level', values['log-level'], ['debug', 'info', 'warn', 'error']),
    kubeconfig: values.kubeconfig,
    server: {
      host: env['KUBERNETES_SERVICE_HOST'] ?? 'kubernetes.default.svc',
      port: Number(env['KUBERNETES_SERVICE_PORT_HTTPS'] ?? env['KUBERNETES_SERVICE_PORT'] ?? 443),
    },
  }
  if (command === 'uninstall') return { command, ...common, timeoutSeconds: number('--timeout', values.timeout, 1) }
  if (command !== 'run') throw new Error(`unknown command ${command}: write run or uninstall, or see --help`)
  if (values['agent-manifest'] && !values['agent-image']) throw new Error('--agent-manifest needs --agent-image')
  return {
    command,
    ...common,
    port: number('--port', values.port, 0),
    agentManifest: values['agent-manifest'],
    agentImage: values['agent-image'] ?? '',
    agentPullPolicy: oneOf('--agent-pull-policy', values['agent-pull-policy'], ['Always', 'IfNotPresent', 'Never']),
    agentPullSecrets: values['agent-pull-secret'],
    courierTimeoutSeconds: number('--courier-timeout', values['courier-timeout'], 10),
  }
}

function oneOf<const T extends string>(flag: string, value: string, allowed: readonly T[]): T {
  const found = allowed.find((one) => one === value)
  if (found === undefined) throw new Error(`${flag} ${value}: write ${allowed.join(', ')}`)
  return found
}

function number(flag: string, value: string, least: number): number {
  const parsed = Number(value)
  if (!/^\d+$/.test(value) || parsed < least) throw new Error(`${flag} ${value}: write a number of at least ${least}`)
  return parsed
}
