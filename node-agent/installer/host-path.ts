/** Paths of the host, below the folder where the container has it. */
import { readlink } from 'node:fs/promises'
import { join } from 'node:path'

/** The kernel's own limit. */
const maxLinks = 40

/**
 * Where a path of the host is for this container, links followed as the host would follow them: an absolute link
 * (ostree's /opt -> /var/opt) must not lead into the container. What does not exist yet is taken as it is written.
 */
export async function hostPath(root: string, path: string): Promise<string> {
  const left = path.split('/').filter((part) => part !== '')
  let resolved: string[] = []
  for (let links = 0; left.length > 0; ) {
    const part = left.shift() as string
    if (part === '..') resolved = resolved.slice(0, -1)
    if (part === '.' || part === '..') continue
    const target = await readlink(join(root, ...resolved, part)).catch(() => undefined)
    if (target === undefined) {
      resolved.push(part)
      continue
    }
    if (++links > maxLinks) throw new Error(`${path} of the host leads through more than ${maxLinks} links`)
    if (target.startsWith('/')) resolved = []
    left.unshift(...target.split('/').filter((name) => name !== ''))
  }
  return join(root, ...resolved)
}
