/** The Node binary that the lock file pins, for any architecture. */
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { extract } from 'tar-stream'
import { must } from '../test/cluster/process.ts'
import { type Architecture, names } from './architecture.ts'

export interface Pin {
  readonly version: string
  /** Hash of the package as npm writes it: algorithm, dash, base64. */
  readonly integrity: string
}

export async function pinOf(architecture: Architecture, root: string): Promise<Pin> {
  const lock = JSON.parse(await readFile(join(root, 'package-lock.json'), 'utf8')) as { packages: Record<string, Pin> }
  const pin = lock.packages[`node_modules/${names[architecture].nodePackage}`]
  if (!pin) throw new Error(`package-lock.json does not pin ${names[architecture].nodePackage}: run npm install`)
  return pin
}

/** The installed binary when it is for this machine, else npm fetches it into `folder`. Throws when its hash is not the pinned one. */
export async function nodeBinary(architecture: Architecture, root: string, folder: string): Promise<Buffer> {
  const { nodePackage } = names[architecture]
  const pin = await pinOf(architecture, root)
  const installed = installedPackage(nodePackage, root)
  if (installed) return readFile(join(installed, 'bin/node'))
  const wanted = `${nodePackage}@${pin.version}`
  const [packed] = JSON.parse(await must(['npm', 'pack', '--json', '--silent', wanted], { cwd: folder })) as [
    { filename: string },
  ]
  const archive = await readFile(join(folder, packed.filename))
  const [algorithm = '', hash] = pin.integrity.split(/-(.*)/s)
  if (createHash(algorithm).update(archive).digest('base64') !== hash) {
    throw new Error(`${wanted} from the npm registry is not what package-lock.json pins (${algorithm} differs)`)
  }
  return fileIn(gunzipSync(archive), 'package/bin/node')
}

function installedPackage(name: string, root: string): string | undefined {
  try {
    return dirname(createRequire(join(root, 'package.json')).resolve(`${name}/package.json`))
  } catch {
    // npm installs only the package of the machine's own architecture.
    return undefined
  }
}

async function fileIn(archive: Buffer, path: string): Promise<Buffer> {
  const tar = extract()
  tar.end(archive)
  for await (const entry of tar) {
    if (entry.header.name === path) {
      const chunks: Buffer[] = []
      for await (const chunk of entry) chunks.push(chunk as Buffer)
      return Buffer.concat(chunks)
    }
    entry.resume()
  }
  throw new Error(`the package of the Node binary has no ${path}`)
}
