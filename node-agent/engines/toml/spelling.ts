/** How keys and values are written. */
import type { Leaf } from './tree.ts'

export function keyText(key: string): string {
  return /^[A-Za-z0-9_-]+$/.test(key) ? key : JSON.stringify(key)
}

/** The value in the quotes of the text that it replaces, when it can be. */
export function valueText(value: Leaf, replaced = ''): string {
  if (typeof value !== 'string')
    return Array.isArray(value) ? `[${value.map((each) => valueText(each)).join(', ')}]` : `${value}`
  const literal = replaced.startsWith("'") && !replaced.startsWith("'''")
  // Literal strings know no escapes, so quotes and control characters cannot stand in them.
  return literal && !/['\p{Cc}]/u.test(value) ? `'${value}'` : JSON.stringify(value)
}
