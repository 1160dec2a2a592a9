import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Cgroup } from './cgroup.ts'
import { hostAddress, inNetwork, registryPort } from './network.ts'
import { startDetached } from './node.ts'
import { must } from './process.ts'

/** What images of the cluster's own registry are named by. */
export const registryName = `${hostAddress}:${registryPort}`

export async function startRegistry(
  folder: string,
  { netns, cgroup }: { netns: string; cgroup: Cgroup },
): Promise<void> {
  await mkdir(join(folder, 'storage'), { recursive: true })
  const config = {
    version: '0.1',
    log: { level: 'info' },
    storage: { filesystem: { rootdirectory: join(folder, 'storage') }, delete: { enabled: true } },
    http: { addr: registryName },
  }
  // JSON is YAML.
  await writeFile(join(folder, 'config.yml'), JSON.stringify(config))
  const server = ['docker-registry', 'serve', join(folder, 'config.yml')]
  startDetached(cgroup, inNetwork(netns, server), { log: join(folder, 'registry.log') })
}

/** Puts an archive (Docker's or OCI's, one image) into the registry under `name`, for instance `drydock/agent:dev`. */
export async function push(archive: string, name: string, netns: string): Promise<string> {
  const listing = await must(['tar', '--list', '--file', archive])
  const format = /^(\.\/)?oci-layout$/m.test(listing) ? 'oci-archive' : 'docker-archive'
  const target = `${registryName}/${name}`
  const copy = ['skopeo', 'copy', '--quiet', '--insecure-policy', '--dest-tls-verify=false']
  await must(inNetwork(netns, [...copy, `${format}:${archive}`, `docker://${target}`]))
  return target
}
