/** Changes inside the value of one pair: the value itself, or an element of an inline table. */
import type { AST } from 'toml-eslint-parser'
import { keyText, valueText } from './spelling.ts'
import { keysOf, type Pair, spellingOf, startsWith, TomlEditError } from './statements.ts'
import type { Leaf, Path } from './tree.ts'

type Holder = Pick<Pair, 'value' | 'line'>

export function setElement(text: string, holder: Holder, { rest, value }: { rest: Path; value: Leaf }): string {
  const node = holder.value
  if (rest.length === 0) return splice(text, node.range, valueText(value, text.slice(...node.range)))
  if (node.type !== 'TOMLInlineTable') throw notTable(holder, rest)
  const element = node.body.find(({ key }) => startsWith(rest, keysOf(key)))
  if (element) {
    const inner = { value: element.value, line: element.loc.start.line }
    return setElement(text, inner, { rest: rest.slice(element.key.keys.length), value })
  }
  const last = node.body.at(-1)
  if (!last) return splice(text, node.range, `{ ${nested(rest, value)} }`)
  // A sibling such as `options.Root` spells the table with dots: only dots may add to it.
  const dotted = node.body.findLast(({ key }) => keysOf(key)[0] === rest[0])
  const spelled = dotted ? dottedPair(text, dotted, { rest, value }) : nested(rest, value)
  return splice(text, [last.range[1], last.range[1]], `, ${spelled}`)
}

export function removeElement(text: string, holder: Holder, rest: Path): string {
  const node = holder.value
  if (node.type !== 'TOMLInlineTable') throw notTable(holder, rest)
  const element = node.body.find(({ key }) => rest.length > key.keys.length && startsWith(rest, keysOf(key)))
  if (element) {
    const inner = { value: element.value, line: element.loc.start.line }
    return removeElement(text, inner, rest.slice(element.key.keys.length))
  }
  const at = node.body.findLastIndex(({ key }) => startsWith(keysOf(key), rest))
  if (at < 0) return text
  return removeElement(splice(text, elementRange(node, at), ''), reread(holder, node, at), rest)
}

/** The element with one of its commas. */
function elementRange({ body }: AST.TOMLInlineTable, at: number): [number, number] {
  const { range } = body[at]!
  if (at > 0) return [body[at - 1]!.range[1], range[1]]
  return [range[0], body[1]?.range[0] ?? range[1]]
}

/** The holder after the removal of one element: those before it have kept their places, and it was the last that matched. */
function reread(holder: Holder, node: AST.TOMLInlineTable, at: number): Holder {
  return { ...holder, value: { ...node, body: node.body.slice(0, at) } }
}

function nested([first, ...rest]: Path, value: Leaf): string {
  return `${keyText(first!)} = ${rest.length > 0 ? `{ ${nested(rest, value)} }` : valueText(value)}`
}

function dottedPair(text: string, like: AST.TOMLKeyValue, { rest, value }: { rest: Path; value: Leaf }): string {
  const spelling = spellingOf(text, like.key)
  const keys = keysOf(like.key)
  const spelled = rest.map((key, at) => (keys[at] === key ? spelling[at]! : keyText(key)))
  return `${spelled.join('.')} = ${valueText(value)}`
}

function notTable(holder: Holder, rest: Path): TomlEditError {
  return new TomlEditError(`there is a value where a table with "${rest[0]}" is expected`, holder.line)
}

function splice(text: string, [start, end]: readonly [number, number], by: string): string {
  return text.slice(0, start) + by + text.slice(end)
}
