/** Pure: what changes for containers and their owners when a node goes from containerd 1.x to 2.x, although its configuration stays. */
import type { Found } from '../engine.ts'
import { treeOf } from '../toml/file.ts'
import { type Tree, tableAt, valueAt } from '../toml/tree.ts'
import { criV2, imagesV3, majorOf, runtimeV3 } from './paths.ts'

/** One sentence each; none for any other change. */
export function notesOf({ configFiles, observed, replaces }: Found): readonly string[] {
  const version = observed.engine?.version
  if (majorOf(version) < 2 || replaces === undefined || majorOf(replaces) >= 2) return []
  const trees = configFiles.map(treeOf)
  const isSaid = (key: string) =>
    trees.some((tree) => [criV2, runtimeV3].some((cri) => valueAt(tree, [...cri, key]) !== undefined))
  return [
    ...(isSaid('enable_unprivileged_ports') && isSaid('enable_unprivileged_icmp')
      ? []
      : [
          'containerd 2 lets every container bind ports below 1024 and ping; set enable_unprivileged_ports and enable_unprivileged_icmp to false to keep them from it.',
        ]),
    'The unit of containerd 2 sets no LimitNOFILE: where it takes the place of the old unit, containers get 1024 open files until they ask for more; a LimitNOFILE in a drop-in keeps the old limit.',
    ...(trees.some(hasOldRegistries)
      ? [
          `containerd ${version} still reads registry mirrors, auths and configs from config.toml, and later versions will not: move them to hosts.toml files below registry.config_path.`,
        ]
      : []),
  ]
}

function hasOldRegistries(tree: Tree): boolean {
  const registries = [criV2, imagesV3].map((cri) => tableAt(tree, [...cri, 'registry']))
  return registries.some((registry) =>
    ['mirrors', 'auths', 'configs'].some((key) => Object.keys(tableAt(registry, [key])).length > 0),
  )
}
