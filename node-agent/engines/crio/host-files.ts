/** Pure: files that CRI-O shares with podman and the like, for a host that has none of them. */
import type { FileEdit, Found, Pasts } from '../engine.ts'
import { sameBytes } from '../refused.ts'
import { treeOf } from '../toml/file.ts'
import { type Tree, valueAt } from '../toml/tree.ts'
import { hostPolicy, ownPolicy, ownRegistries, registries, registriesDropIns, signaturePolicy } from './paths.ts'
import { type Documents, effectiveTree, textAt } from './settings.ts'
import type { Wish } from './wishes.ts'

/** What Docker and containerd do without asking: any image of any registry. */
const anyImage = `${JSON.stringify({ default: [{ type: 'insecureAcceptAnything' }] }, null, 2)}\n`

/** Docker and containerd take "nginx" for docker.io/library/nginx; without this CRI-O takes it for nothing. */
const dockerHub = `# A name without a registry means the one on Docker Hub, as it does for other engines.
unqualified-search-registries = ["docker.io"]
`

/** Whether CRI-O needs a signature policy of ours. */
function lacksPolicy(found: Found, base: Tree): boolean {
  return textAt(base, signaturePolicy) === undefined && bytesOf(found, hostPolicy) === undefined
}

export function policyWishes(found: Found, base: Tree): readonly Wish[] {
  return lacksPolicy(found, base) ? [{ path: signaturePolicy, value: ownPolicy }] : []
}

/** A CRI-O that has files keeps its way with names: nobody asked for another one. */
export function hostFileEdits(found: Found, { earlier, own, later }: Documents, pasts: Pasts): readonly FileEdit[] {
  const base = effectiveTree(found, [...earlier, own])
  const isNew = [...earlier, ...later].every(({ tree }) => Object.keys(tree).length === 0)
  const needsRegistry = (isNew || pasts.has(ownRegistries)) && !namesRegistry(found)
  const wanted = [
    { path: ownPolicy, text: lacksPolicy(found, base) ? anyImage : undefined },
    { path: ownRegistries, text: needsRegistry ? dockerHub : undefined },
  ]
  return wanted.flatMap(({ path, text }) => {
    const before = bytesOf(found, path)
    const past = pasts.get(path)
    const original = past && sameBytes(before, past.written) ? past.original : before
    // A file of that name that somebody else has put there serves as well.
    const after = original ?? (text === undefined ? undefined : Buffer.from(text))
    return sameBytes(before, after) ? [] : [{ path, before, after, original }]
  })
}

/** Whether a file of somebody else says what names without a registry mean: in the format of today, or in the first one. */
function namesRegistry({ configFiles }: Found): boolean {
  const files = configFiles.filter(
    ({ path }) => path === registries || (path.startsWith(`${registriesDropIns}/`) && path !== ownRegistries),
  )
  return files.some((file) => {
    const tree = treeOf(file)
    return (
      valueAt(tree, ['unqualified-search-registries']) !== undefined ||
      valueAt(tree, ['registries', 'search']) !== undefined
    )
  })
}

function bytesOf({ configFiles }: Found, path: string): Buffer | undefined {
  return configFiles.find((file) => file.path === path)?.bytes
}
