import type { PackageChange } from '../../journal/records.ts'

/** Pure: two changes of packages as one, from before the earlier to after the later. */
export function mergedPackages(earlier: PackageChange | undefined, later: PackageChange): PackageChange {
  if (!earlier) return later
  const replaced = new Set(later.install.map(({ name }) => name))
  const known = new Set(earlier.former.map(({ name }) => name))
  return {
    manager: later.manager,
    install: [...earlier.install.filter(({ name }) => !replaced.has(name)), ...later.install],
    former: [...earlier.former, ...later.former.filter(({ name }) => !known.has(name))],
    held: [...new Set([...earlier.held, ...later.held])],
    brought: [...new Set([...earlier.brought, ...later.brought])],
  }
}
