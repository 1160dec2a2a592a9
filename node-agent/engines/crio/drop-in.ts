/** Pure: the text of a drop-in that there was none of. */
import { keyText, valueText } from '../toml/spelling.ts'
import type { Change } from '../toml/tree.ts'

export function newDropIn(changes: readonly Change[]): string {
  const tables = new Map<string, string[]>()
  for (const { path, value } of changes) {
    const table = path.slice(0, -1).map(keyText).join('.')
    tables.set(table, [...(tables.get(table) ?? []), `${keyText(path.at(-1)!)} = ${valueText(value!)}`])
  }
  const texts = [...tables].map(([table, pairs]) => [`[${table}]`, ...pairs].join('\n'))
  return `# Written by Drydock: what the RuntimeProfile of this node asks for.\n${texts.join('\n\n')}\n`
}
