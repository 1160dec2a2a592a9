/** Which images a node with another engine takes along, and how. */
import { join } from 'node:path'
import type { NodeRuntimeStatus } from '../../crds/types.gen.ts'
import type { SourceEngine, Staged, Target } from '../engines/engine.ts'
import type { Host } from '../host/host.ts'
import type { Change } from '../journal/records.ts'

export interface ImagePlan {
  readonly images?: Change['images']
  /** What the archive that carries them may take. */
  readonly archiveBytes?: number
  /** What the status says of them before anything was carried. */
  readonly shown?: NodeRuntimeStatus['images']
}

export interface ImagesInput {
  readonly from: SourceEngine
  readonly to: SourceEngine
  /** What the change brings of it. */
  readonly staged?: Staged
  readonly target: Target
  /** What the pods on the node need. */
  readonly names: readonly string[]
  /** What they take in the store of `from`. */
  readonly bytes: number
  readonly stateFolder: string
}

/** `hostAhead`: the host as it will be, with programs that come with the change. */
export async function planImages(
  { host, hostAhead }: { host: Host; hostAhead: Host },
  { from, to, staged, target, names, bytes, stateFolder }: ImagesInput,
): Promise<ImagePlan> {
  const how = target.migration?.images
  if (how === undefined || names.length === 0) return {}
  if (how === 'pull') return { images: { names } }
  const why = (await from.images.cannot(host)) ?? (await to.images.cannot(hostAhead, staged))
  if (why === undefined) return { images: { names, archive: join(stateFolder, 'images.tar') }, archiveBytes: bytes }
  const message = `Images are not carried over (${why}): they are pulled from their registries.`
  return { images: { names }, shown: { carried: 0, bytes: 0, message: message.slice(0, 1024) } }
}
