// The only importer of @kubernetes/client-node: loading it costs more memory than a whole agent has. It knows every
// way in which a kubeconfig can authenticate; the requests themselves go through our own transport.
import type { RequestOptions } from 'node:https'
import { KubeConfig } from '@kubernetes/client-node'
import { type Credentials, httpTransport } from './http-transport.ts'
import type { Transport } from './transport.ts'

/**
 * Transport of the current context of a kubeconfig file, or without a path of $KUBECONFIG or ~/.kube/config.
 * Throws when there is no such file or context, or when the cluster is behind a proxy-url.
 */
export function kubeconfigTransport(path?: string): Transport {
  const config = new KubeConfig()
  if (path === undefined) config.loadFromDefault()
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

async function credentialsOf(config: KubeConfig): Promise<Credentials> {
  if (config.getCurrentCluster()?.server.startsWith('http:')) return { tls: {}, headers: {} }
  const options: RequestOptions = {}
  await config.applyToHTTPSOptions(options)
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
