/** What dockerd says of itself, through its command line; undefined when it does not answer. */
import type { Host } from '../../host/host.ts'
import { programTimeoutMs } from '../programs.ts'
import { dockerOf } from './images.ts'

export interface DockerInfo {
  readonly ServerVersion?: string
  readonly CgroupDriver?: string
  readonly DefaultRuntime?: string
  readonly Runtimes?: Readonly<Record<string, { readonly path?: string } | null>>
}

export async function dockerInfo(host: Host): Promise<DockerInfo | undefined> {
  const docker = await dockerOf(host)
  if (docker === undefined) return undefined
  const argv = [docker, 'info', '--format', '{{json .}}']
  const ran = await host.run(argv, { timeoutMs: programTimeoutMs }).catch(() => undefined)
  try {
    const info = JSON.parse(ran?.stdout ?? '') as DockerInfo
    // Without its daemon the program prints what it knows of itself, and a list of errors.
    return info.ServerVersion ? info : undefined
  } catch {
    return undefined
  }
}
