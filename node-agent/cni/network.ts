/** Pure: what a file of CNI configuration names. */

/** The plugins of the network; none when an engine would not load the file. */
export function pluginTypes(bytes: Buffer | undefined): string[] {
  let network: { type?: unknown; plugins?: unknown } | null
  try {
    network = JSON.parse(bytes?.toString() ?? '')
  } catch {
    return []
  }
  const plugins: unknown[] = Array.isArray(network?.plugins) ? network.plugins : [network]
  return plugins
    .map((plugin) => (plugin as { type?: unknown } | null)?.type)
    .filter((type): type is string => typeof type === 'string' && type !== '')
}
