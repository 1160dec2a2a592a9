/** Folders whose files a program reads at any depth. */
import { join } from 'node:path/posix'
import type { Host } from './host.ts'

/**
 * Files below a folder in the order in which the kubelet and CRI-O read them, which is that of Go's `filepath.WalkDir`: by
 * name, into each folder where its name comes, and never through a link to a folder. What is no file is not among them.
 */
export async function filesBelow(
  host: Host,
  folder: string,
): Promise<readonly { readonly path: string; readonly bytes: Buffer }[]> {
  const real = (await host.realPath(folder)) ?? folder
  const files: { path: string; bytes: Buffer }[] = []
  for (const name of await host.listFolder(folder)) {
    const path = join(folder, name)
    const bytes = await host.readFile(path)
    if (bytes !== undefined) files.push({ path, bytes })
    else if ((await host.realPath(path)) === join(real, name)) files.push(...(await filesBelow(host, path)))
  }
  return files
}
