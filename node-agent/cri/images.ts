/** Images of an engine, through CRI. */
import type { CriClient } from './client.ts'
import type { Container, Image } from './gen/runtime.ts'

function isOf(image: Image, { image: named, imageRef }: Container): boolean {
  const names = [image.id, ...image.repoTags, ...image.repoDigests]
  return names.includes(imageRef) || (named !== undefined && names.includes(named.image))
}

export interface ImagesInUse {
  /** Tags, each once. An image without a tag cannot be asked for by one. */
  readonly names: readonly string[]
  /** What they take in the engine's store, layers that they share once for each. */
  readonly bytes: number
}

/** The images that containers were made from, and those of `earlier` (tags) that are still there. */
export async function imagesInUse(client: CriClient, earlier: readonly string[]): Promise<ImagesInUse> {
  const { containers } = await client.call('listContainers', {})
  const { images } = await client.call('listImages', {})
  const wasUsed = ({ repoTags }: Image): boolean => repoTags.some((tag) => earlier.includes(tag))
  const used = images.filter((image) => wasUsed(image) || containers.some((container) => isOf(image, container)))
  const names = [...new Set(used.flatMap(({ repoTags }) => repoTags))].sort()
  const named = used.filter(({ repoTags }) => repoTags.length > 0)
  return { names, bytes: Number(named.reduce((sum, { size }) => sum + size, 0n)) }
}

/** What images take on disk, as the engine counts it; undefined when it has not counted yet. */
export async function imageBytes(client: CriClient): Promise<number | undefined> {
  const { imageFilesystems } = await client.call('imageFsInfo', {})
  const bytes = imageFilesystems.reduce((sum, { usedBytes }) => sum + (usedBytes?.value ?? 0n), 0n)
  return bytes === 0n ? undefined : Number(bytes)
}

/** Pulls an image that the engine does not hold, without credentials: what needs them is carried over, or the kubelet's to pull. */
export async function pullMissing(client: CriClient, name: string, deadlineMs: number): Promise<void> {
  const image = { image: name }
  if ((await client.call('imageStatus', { image }, deadlineMs)).image) return
  await client.call('pullImage', { image }, deadlineMs)
}
