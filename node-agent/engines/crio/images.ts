/** Images of CRI-O are those of podman and skopeo: all three share one store. Neither needs CRI-O to be up. */
import type { Host } from '../../host/host.ts'
import type { ImageStore } from '../engine.ts'
import { runFor } from '../image-programs.ts'
import { defaultSearchPath, find, programTimeoutMs } from '../programs.ts'

interface Carrier {
  export(host: Host, names: readonly string[], archive: string, timeoutMs: number): Promise<void>
  import(host: Host, archive: string, timeoutMs: number): Promise<void>
}

export const images: ImageStore = {
  cannot: async (host) =>
    (await carrierOf(host)) ? undefined : 'neither podman nor skopeo, which carry images of CRI-O, is on the node',
  export: async (host, names, archive, timeoutMs) => {
    await host.removeFile(archive)
    await (await needed(host)).export(host, names, archive, timeoutMs)
  },
  import: async (host, archive, timeoutMs) => (await needed(host)).import(host, archive, timeoutMs),
}

async function carrierOf(host: Host): Promise<Carrier | undefined> {
  const folders = defaultSearchPath.split(':')
  const [podman, skopeo] = [await find(host, 'podman', folders), await find(host, 'skopeo', folders)]
  if (podman !== undefined) return byPodman(podman)
  return skopeo === undefined ? undefined : bySkopeo(skopeo)
}

async function needed(host: Host): Promise<Carrier> {
  const carrier = await carrierOf(host)
  if (!carrier) throw new Error('Neither podman nor skopeo is on the node: install one of them, or have images pulled.')
  return carrier
}

function byPodman(podman: string): Carrier {
  const save = ['save', '--quiet', '--format', 'docker-archive', '--multi-image-archive', '--output']
  return {
    export: async (host, names, archive, timeoutMs) => {
      await runFor(host, [podman, ...save, archive, ...names], timeoutMs)
    },
    import: async (host, archive, timeoutMs) => {
      await runFor(host, [podman, 'load', '--quiet', '--input', archive], timeoutMs)
    },
  }
}

/** A docker archive takes one image from skopeo, a folder in the layout of OCI any number: it becomes the archive. */
function bySkopeo(skopeo: string): Carrier {
  // What the node runs already needs no policy that says whether it may.
  const copy = [skopeo, '--insecure-policy', 'copy', '--quiet']
  return {
    export: async (host, names, archive, timeoutMs) => {
      const folder = `${archive}.d`
      try {
        for (const name of names) {
          const to = ['--dest-oci-accept-uncompressed-layers', `containers-storage:${name}`, `oci:${folder}:${name}`]
          await runFor(host, [...copy, ...to], timeoutMs)
        }
        await runFor(host, ['tar', '-C', folder, '-cf', archive, '.'], timeoutMs)
      } finally {
        await host.run(['rm', '-r', '-f', '--', folder], { timeoutMs: programTimeoutMs })
      }
    },
    import: async (host, archive, timeoutMs) => {
      const listed = await runFor(host, [skopeo, 'list-tags', `docker-archive:${archive}`], timeoutMs)
      const { Tags } = JSON.parse(listed) as { Tags: readonly string[] }
      for (const name of Tags) {
        await runFor(host, [...copy, `docker-archive:${archive}:${name}`, `containers-storage:${name}`], timeoutMs)
      }
    },
  }
}
