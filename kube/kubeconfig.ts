// The only importer of @kubernetes/client-node: loading it costs more memory than a whole agent has. It knows every
// way in which a kubeconfig can authenticate; the requests themselves go through our own transport.
import { existsSync } from 'node:fs'
import type { RequestOptions } from 'node:https'
import { delimiter } from 'node:path'
import { KubeConfig } from '@kubernetes/client-node'
import { type Credentials, httpTransport } from './http-transport.ts'
import type { Transport } from './transport.ts'

/**
 * Transport of the current context of a kubeconfig file, or without a path of $KUBECONFIG or ~/.kube/config.
 * Throws when there is no such file or context, or when the cluster is behind a proxy-url.
 */
export function kubeconfigTransport(path?: string): Transport {
  const config = new KubeConfig()
  if (path === undefined) loadDefault(config)
  else config.loadFromFile(path)

  const cluster = config.getCurrentCluster()
  const source = path ?? 'the default kubeconfig'
  if (!cluster) {
    throw new Error(
      `${source} has no cluster for its current context "${config.getCurrentContext()}": set current-context`,
    )
  }
  if (cluster.proxyUrl) {
    throw new Error(`${source}: proxy-url of cluster ${cluster.name} is not supported: use a direct connection`)
  }
  return httpTransport({ server: new URL(cluster.server), credentials: () => credentialsOf(config) })
}

/** As kubectl does: files of $KUBECONFIG that are not there are passed over, and the first word on a context counts. */
function loadDefault(config: KubeConfig): void {
  const named = (process.env['KUBECONFIG'] ?? '').split(delimiter).filter(Boolean)
  const [first = named[0], ...others] = named.filter((file) => existsSync(file))
  if (first === undefined) {
    config.loadFromDefault()
    return
  }
  config.loadFromFile(first)
  for (const file of others) {
    const next = new KubeConfig()
    next.loadFromFile(file)
    config.mergeConfig(next, Boolean(config.getCurrentContext()))
  }
}

async function credentialsOf(config: KubeConfig): Promise<Credentials> {
  if (config.getCurrentCluster()?.server.startsWith('http:')) return { tls: {}, headers: {} }
  const options: RequestOptions = {}
  await config.applyToHTTPSOptions(options).catch((error: unknown) => {
    throw explained(config, error)
  })
  const { ca, cert, key, servername, rejectUnauthorized } = options
  const headers = { ...(options.headers as Record<string, string> | undefined) }
  if (options.auth) headers['authorization'] = `Basic ${Buffer.from(options.auth).toString('base64')}`
  return {
    tls: {
      ...(ca !== undefined && { ca }),
      ...(cert !== undefined && { cert }),
      ...(key !== undefined && { key }),
      ...(servername !== undefined && { servername }),
      ...(rejectUnauthorized !== undefined && { rejectUnauthorized }),
    },
    headers,
  }
}

/** What a program that gives credentials says, or does not say, when it fails. */
function explained(config: KubeConfig, error: unknown): unknown {
  const user = config.getCurrentUser()
  const command = (user?.exec as { command?: string } | undefined)?.command
  if (command === undefined) return error
  const { code, message } = error as NodeJS.ErrnoException
  const why = code === 'ENOENT' ? 'it is not there' : message.trim() || 'it ended without a word'
  return new Error(`${command} gave no credentials for user ${user?.name} of the kubeconfig: ${why}`, { cause: error })
}
