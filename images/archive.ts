/** OCI archives: an image layout in a tar, which containerd, CRI-O's tools, skopeo and every Docker can read. */
import { courierID } from '../crds/protocol.ts'
import type { Architecture } from './architecture.ts'
import { type Entry, type Layer, sha256, tarOf } from './layer.ts'

export interface Image {
  /** Full name without tag. */
  readonly name: string
  readonly tag: string
  readonly architecture: Architecture
  readonly description: string
  readonly layers: readonly Layer[]
  readonly entrypoint: readonly string[]
  readonly command: readonly string[]
  /** What the layers were made from, for people who ask what is in the image. */
  readonly contents: Readonly<Record<string, string>>
}

const mediaType = (kind: string): string => `application/vnd.oci.image.${kind}`

export async function archiveOf(image: Image): Promise<Buffer> {
  const config = json(configOf(image))
  const blobs = image.layers.map(({ blob }) => blob)
  const manifest = json({
    schemaVersion: 2,
    mediaType: mediaType('manifest.v1+json'),
    config: descriptor(mediaType('config.v1+json'), config),
    layers: blobs.map((blob) => descriptor(mediaType('layer.v1.tar+gzip'), blob)),
    annotations: { 'org.opencontainers.image.version': image.tag },
  })
  const reference = `${image.name}:${image.tag}`
  const index = json({
    schemaVersion: 2,
    mediaType: mediaType('index.v1+json'),
    manifests: [
      {
        ...descriptor(mediaType('manifest.v1+json'), manifest),
        platform: { architecture: image.architecture, os: 'linux' },
        // skopeo finds the image by the tag, containerd and Docker by the full name.
        annotations: { 'org.opencontainers.image.ref.name': image.tag, 'io.containerd.image.name': reference },
      },
    ],
  })
  // Docker before 25 reads this list and knows nothing of the layout around it.
  const dockerList = json([{ Config: blobPath(config), RepoTags: [reference], Layers: blobs.map(blobPath) }])
  return tarOf([
    file('oci-layout', json({ imageLayoutVersion: '1.0.0' })),
    file('index.json', index),
    file('manifest.json', dockerList),
    ...[config, manifest, ...blobs].map((blob) => file(blobPath(blob), blob)),
  ])
}

function configOf(image: Image): object {
  return {
    created: '1970-01-01T00:00:00Z',
    architecture: image.architecture,
    os: 'linux',
    config: {
      User: `${courierID}:${courierID}`,
      Env: ['PATH=/usr/local/bin:/usr/sbin', 'NODE_ENV=production'],
      Entrypoint: image.entrypoint,
      Cmd: image.command,
      WorkingDir: '/app',
      Labels: {
        'org.opencontainers.image.title': image.name,
        'org.opencontainers.image.description': image.description,
        'org.opencontainers.image.version': image.tag,
        'org.opencontainers.image.licenses': 'Apache-2.0',
        ...Object.fromEntries(Object.entries(image.contents).map(([key, value]) => [`drydock.dev/${key}`, value])),
      },
    },
    rootfs: { type: 'layers', diff_ids: image.layers.map(({ diffId }) => diffId) },
    history: image.layers.map(() => ({ created: '1970-01-01T00:00:00Z', created_by: 'drydock images' })),
  }
}

function descriptor(type: string, blob: Buffer): object {
  return { mediaType: type, digest: sha256(blob), size: blob.length }
}

function blobPath(blob: Buffer): string {
  return `blobs/${sha256(blob).replace(':', '/')}`
}

function file(path: string, bytes: Buffer): Entry {
  return { path, mode: 0o644, bytes }
}

function json(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value))
}
