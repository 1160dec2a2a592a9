/** Pure: what a file of CNI configuration names. */
import type { FileFound } from '../engines/engine.ts'

interface Plugin {
  readonly type: string
  /** Who gives the pod its address. */
  readonly ipam?: string
}

/** The plugins of the network; none when an engine would not load the file. */
function plugins(bytes: Buffer | undefined): Plugin[] {
  let network: { plugins?: unknown } | null
  try {
    network = JSON.parse(bytes?.toString() ?? '')
  } catch {
    return []
  }
  const chain: unknown[] = Array.isArray(network?.plugins) ? network.plugins : [network]
  return chain.flatMap((each) => {
    const { type, ipam } = (each ?? {}) as { type?: unknown; ipam?: { type?: unknown } | null }
    if (typeof type !== 'string' || type === '') return []
    return [{ type, ...(typeof ipam?.type === 'string' && { ipam: ipam.type }) }]
  })
}

export function pluginTypes(bytes: Buffer | undefined): string[] {
  return plugins(bytes).map(({ type }) => type)
}

/** Of github.com/containernetworking/plugins: those that need no daemon and know nothing of Kubernetes. */
const alone: readonly string[] = [
  ...['bridge', 'ptp', 'macvlan', 'ipvlan', 'vlan', 'loopback', 'host-local', 'static'],
  ...['portmap', 'bandwidth', 'firewall', 'tuning', 'sbr'],
]

/** Whether engines look into a file of this name. */
export const isLoaded = (path: string): boolean => /\.(?:conf|conflist|json)$/.test(path)

/**
 * The first plugin that may refuse a pod which the API server does not know, or whose agent is a pod itself (Calico, Cilium,
 * Multus, flannel): with the kubelet at rest there is neither. Undefined: the network works by itself.
 */
export function dependentPlugin({ path, bytes }: FileFound): string | undefined {
  if (!isLoaded(path)) return undefined
  const names = plugins(bytes).flatMap(({ type, ipam }) => [type, ...(ipam === undefined ? [] : [ipam])])
  return names.find((name) => !alone.includes(name))
}
