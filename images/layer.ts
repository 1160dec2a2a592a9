/** Layers of an image: the same entries give the same bytes on every machine and at every time. */
import { createHash } from 'node:crypto'
import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import { pack } from 'tar-stream'

export interface Entry {
  /** Without a leading slash. Folders above it come by themselves. */
  readonly path: string
  /** 0644 for data, 0755 for programs, libraries too: the loader maps them executable. */
  readonly mode: number
  readonly bytes: Buffer
}

export interface Layer {
  /** Of the uncompressed tar: what the image's config names. */
  readonly diffId: string
  /** The gzipped tar. Docker 20.10, from which nodes migrate, reads neither zstd nor newer formats. */
  readonly blob: Buffer
}

/** Level 6 is 9% smaller than level 1; level 9 takes three times as long for 0.3% more. */
const gzipLevel = 6

export async function layerOf(entries: readonly Entry[]): Promise<Layer> {
  const bytes = await tarOf(entries)
  return { diffId: sha256(bytes), blob: await promisify(gzip)(bytes, { level: gzipLevel }) }
}

/** A tar in the order of the paths, of root, from 1970. */
export async function tarOf(entries: readonly Entry[]): Promise<Buffer> {
  const tar = pack()
  const header = { uid: 0, gid: 0, mtime: new Date(0) }
  const files = new Map(entries.map((entry) => [entry.path, entry]))
  if (files.size !== entries.length) throw new Error('two entries of a layer have the same path')
  for (const path of [...new Set([...files.keys()].flatMap(withParents))].sort()) {
    const file = files.get(path)
    if (file) tar.entry({ ...header, name: path, mode: file.mode }, file.bytes)
    else tar.entry({ ...header, name: `${path}/`, mode: 0o755, type: 'directory' })
  }
  tar.finalize()
  const chunks: Buffer[] = []
  for await (const chunk of tar) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}

export function sha256(bytes: Buffer | string): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`
}

function withParents(path: string): string[] {
  const parts = path.split('/')
  return parts.map((_, index) => parts.slice(0, index + 1).join('/'))
}
