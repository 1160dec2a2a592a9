/** Images of containerd through its own ctr, in the namespace of the kubelet's. */
import { dirname } from 'node:path/posix'
import type { Host } from '../../host/host.ts'
import type { ImageStore, Staged } from '../engine.ts'
import { platform, runFor } from '../image-programs.ts'
import { find } from '../programs.ts'
import { detect } from './detect.ts'

/** What the kubelet makes is in this one; Docker and nerdctl have others. */
export const podNamespace = 'k8s.io'

export const images: ImageStore = {
  cannot: async (host, staged) => {
    const { program, folders } = await ctrOf(host, staged)
    return program === undefined
      ? `ctr, which carries images of containerd, is in none of ${folders.join(', ')}`
      : undefined
  },
  export: async (host, names, archive, timeoutMs) => {
    await host.removeFile(archive)
    const argv = ['images', 'export', '--platform', platform, archive, ...names]
    await runFor(host, [...(await ctrCommand(host, podNamespace)), ...argv], timeoutMs)
  },
  import: async (host, archive, timeoutMs) => {
    const argv = ['images', 'import', '--platform', platform, archive]
    await runFor(host, [...(await ctrCommand(host, podNamespace)), ...argv], timeoutMs)
  },
}

/** The beginning of a command of ctr, which talks to the containerd of the unit. */
export async function ctrCommand(host: Host, namespace: string): Promise<string[]> {
  const { program, socket } = await ctrOf(host)
  return [program ?? 'ctr', ...(socket ? ['--address', socket] : []), '--namespace', namespace]
}

/** The ctr beside the containerd that the unit runs comes first: a host may have several, and they are of one version. */
async function ctrOf(
  host: Host,
  staged?: Staged,
): Promise<{ program?: string; socket?: string; folders: readonly string[] }> {
  const found = await detect(host, staged)
  const { binary, socket } = found?.observed.engine ?? {}
  const folders = [...new Set([...(binary ? [dirname(binary)] : []), ...(found?.searchPath ?? [])])]
  const program = await find(host, 'ctr', folders)
  return { folders, ...(program ? { program } : {}), ...(socket ? { socket } : {}) }
}
