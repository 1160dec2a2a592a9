/** Where containerd keeps things, and where its settings sit in each version of its configuration format. */
import type { Path } from '../toml/tree.ts'

export const unit = 'containerd.service'
export const defaultConfig = '/etc/containerd/config.toml'

/** The runtime type behind which runc, crun and their like are interchangeable binaries. */
export const runcType = 'io.containerd.runc.v2'

/** The newest configuration format that this version of Drydock understands. */
export const newestVersion = 4

export const criV2 = ['plugins', 'io.containerd.grpc.v1.cri']
export const runtimeV3 = ['plugins', 'io.containerd.cri.v1.runtime']
export const imagesV3 = ['plugins', 'io.containerd.cri.v1.images']

/** Entries of disabled_plugins that take CRI away. */
export const criPlugins: readonly string[] = ['cri', criV2[1]!, runtimeV3[1]!, imagesV3[1]!]

export interface Layout {
  /** The plugin sections that hold CRI settings. */
  readonly sections: readonly Path[]
  readonly runtimes: Path
  readonly defaultRuntime: Path
  readonly sandboxImage: Path
}

/** Versions 3 and 4 differ only in tables that Drydock does not touch. */
export function layoutOf(version: number): Layout {
  const runtime = version === 2 ? criV2 : runtimeV3
  return {
    sections: version === 2 ? [criV2] : [runtimeV3, imagesV3],
    runtimes: [...runtime, 'containerd', 'runtimes'],
    defaultRuntime: [...runtime, 'containerd', 'default_runtime_name'],
    sandboxImage: version === 2 ? [...criV2, 'sandbox_image'] : [...imagesV3, 'pinned_images', 'sandbox'],
  }
}

/** Version of a new file: the oldest one that every containerd of that major version reads as its own. */
export function versionForNew(major: number): number {
  return major >= 2 ? 3 : 2
}

/** First number of a version such as "1.6.20~ds1"; 2 when there is none, as development builds say. */
export function majorOf(version: string | undefined): number {
  const digits = /^v?(\d+)\./.exec(version ?? '')
  return digits ? Number(digits[1]) : 2
}

/** Whether a version such as "2.3.7" is at least this one; a development build is. */
export function isAtLeast(version: string | undefined, [major, minor]: readonly [number, number]): boolean {
  const [, first, second] = /^v?(\d+)\.(\d+)/.exec(version ?? '') ?? []
  if (first === undefined) return true
  return Number(first) > major || (Number(first) === major && Number(second) >= minor)
}
