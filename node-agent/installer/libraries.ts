/** What the Node binary of each machine type is started with. The images are built by the same table. */

export interface Libraries {
  /** The loader that the binary asks the kernel for. */
  readonly loader: string
  /** The folder in which that loader finds the libraries. */
  readonly folder: string
}

/** By `process.arch`. */
export const libraries: Readonly<Record<'x64' | 'arm64', Libraries>> = {
  x64: { loader: '/lib64/ld-linux-x86-64.so.2', folder: '/lib/x86_64-linux-gnu' },
  arm64: { loader: '/lib/ld-linux-aarch64.so.1', folder: '/lib/aarch64-linux-gnu' },
}
