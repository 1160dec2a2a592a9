/** Images of Docker through its command line. */
import type { Host } from '../../host/host.ts'
import type { ImageStore } from '../engine.ts'
import { runFor } from '../image-programs.ts'
import { defaultSearchPath, find } from '../programs.ts'

export const images: ImageStore = {
  cannot: async (host) =>
    (await dockerOf(host)) === undefined
      ? `the docker program, which carries images of Docker, is in none of ${defaultSearchPath}`
      : undefined,
  export: async (host, names, archive, timeoutMs) => {
    await runFor(host, [(await dockerOf(host)) ?? 'docker', 'save', '--output', archive, ...names], timeoutMs)
  },
  import: async (host, archive, timeoutMs) => {
    await runFor(host, [(await dockerOf(host)) ?? 'docker', 'load', '--quiet', '--input', archive], timeoutMs)
  },
}

/** Debian 13 has it in a package of its own, docker-cli, which a node may lack. */
export function dockerOf(host: Host): Promise<string | undefined> {
  return find(host, 'docker', defaultSearchPath.split(':'))
}
