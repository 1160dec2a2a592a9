/** Where in a YAML file a field stands. Pure. */
import { isMap, isScalar, isSeq, type Node, type Pair, type YAMLMap } from 'yaml'

/**
 * Offset of the field that a path such as `spec.handlers[1].name` or `spec.nodeSelector.matchLabels[pool]` names; of
 * the nearest parent that is there when the field is missing.
 */
export const locate = (root: Node | null, path: string): number => {
  let node: Node | null = root
  let offset = root?.range?.[0] ?? 0
  let rest = path
  while (node && rest !== '') {
    const found: Step | undefined = isSeq(node)
      ? itemAt(node.items, rest)
      : isMap(node)
        ? entryAt(node, rest)
        : undefined
    if (!found) break
    node = found.node
    offset = found.offset ?? offset
    rest = found.rest
  }
  return offset
}

interface Step {
  readonly node: Node | null
  readonly offset: number | undefined
  readonly rest: string
}

const itemAt = (items: readonly unknown[], path: string): Step | undefined => {
  const [text, index] = /^\[(\d+)\]\.?/.exec(path) ?? []
  const node = items[Number(index)] as Node | undefined
  return text && node ? { node, offset: node.range?.[0], rest: path.slice(text.length) } : undefined
}

/** Names of labels have dots and slashes of their own: the longest key that the path begins with is meant. */
const entryAt = (map: YAMLMap, path: string): Step | undefined => {
  const matches = map.items.flatMap((pair) => {
    const key = keyOf(pair)
    const rest = key === undefined ? undefined : after(path, key)
    return rest === undefined ? [] : [{ pair, key, rest }]
  })
  const [best] = matches.sort((a, b) => (b.key?.length ?? 0) - (a.key?.length ?? 0))
  if (!best) return undefined
  return { node: best.pair.value as Node | null, offset: (best.pair.key as Node).range?.[0], rest: best.rest }
}

const keyOf = ({ key }: Pair): string | undefined => (isScalar(key) ? String(key.value) : undefined)

/** What is left of the path behind a key; undefined when it does not begin with it. */
const after = (path: string, key: string): string | undefined => {
  for (const form of [key, `[${key}]`]) {
    if (path === form) return ''
    if (path.startsWith(`${form}.`)) return path.slice(form.length + 1)
    if (path.startsWith(`${form}[`)) return path.slice(form.length)
  }
  return undefined
}
