/** Network namespaces as the kernel shows them: by inode, which stays the same under every name and mount. */
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { HostPaths } from './proof.ts'

/** Undefined when the process is gone. */
export async function networkNamespaceOf({ proc }: HostPaths, pid: number): Promise<bigint | undefined> {
  return inodeOf(join(proc, String(pid), 'ns/net'))
}

/** Name under which the namespace is still kept; undefined when it is gone. */
export async function nameOfNamespace({ netns }: HostPaths, inode: bigint): Promise<string | undefined> {
  for (const name of await readdir(netns).catch(() => [])) {
    if ((await inodeOf(join(netns, name))) === inode) return name
  }
  return undefined
}

async function inodeOf(path: string): Promise<bigint | undefined> {
  return stat(path, { bigint: true }).then(
    ({ ino }) => ino,
    () => undefined,
  )
}
