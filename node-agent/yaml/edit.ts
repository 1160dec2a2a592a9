/** Edits one top-level key of a YAML or JSON text in place: every other byte stays. */
import { Document, isMap, isScalar, LineCounter, type Pair, parseAllDocuments, type Scalar, type YAMLMap } from 'yaml'
import { isRefusal } from '../engines/engine.ts'
import { orRefusal, Refused } from '../engines/refused.ts'

export type Settings = Readonly<Record<string, unknown>>

export function settingsOf(path: string, text: string): Settings {
  return (rootOf(path, text).toJS() ?? {}) as Settings
}

/** The text with the key at the value; undefined takes the key's line out. Refused when another key would change with it. */
export function withKey(
  path: string,
  text: string,
  { key, value }: { key: string; value: string | undefined },
): string {
  const root = rootOf(path, text)
  const map = root.contents
  const pair = isMap(map) ? (map.items.find((each) => isScalar(each.key) && each.key.value === key) as Pair) : undefined
  if (!pair && value === undefined) return text
  const edited = pair ? replaced(text, pair, value) : inserted(text, root, `${key}`, value!)
  const { [key]: _, ...rest } = settingsOf(path, text)
  const expected = value === undefined ? rest : { ...rest, [key]: value }
  // What cannot be read any more is our text, not that of the file.
  const found = orRefusal(() => settingsOf(path, edited))
  if (!isRefusal(found) && sameSettings(found, expected)) return edited
  const start = (pair?.key as Scalar | undefined)?.range?.[0] ?? 0
  const line = text.slice(0, start).split('\n').length
  const remedy = value === undefined ? `remove ${key}` : `write "${key}: ${value}" on a line of its own`
  throw new Refused(
    'ConfigNotEditable',
    `${path}:${line} is laid out so that ${key} cannot be changed alone: ${remedy}`,
  )
}

function rootOf(path: string, text: string): Document {
  const lines = new LineCounter()
  const documents = parseAllDocuments(text, { lineCounter: lines, prettyErrors: false })
  const [first, ...others] = documents
  if (!first) return new Document({})
  const error = documents.flatMap(({ errors }) => errors)[0]
  if (error) {
    const { line } = lines.linePos(error.pos[0])
    throw new Refused('ConfigInvalid', `${path}:${line} is not valid YAML (${error.message}): correct it`)
  }
  const other = others.find((document) => !isEmpty(document))
  if (other) {
    const { line } = lines.linePos(other.range[0])
    throw new Refused(
      'ConfigInvalid',
      `${path}:${line} begins another YAML document, where one is expected: remove it, or the other`,
    )
  }
  if (!isEmpty(first) && !isMap(first.contents))
    throw new Refused('ConfigInvalid', `${path}:1 is not a map of settings`)
  return first
}

/** Such as what a "---" at the end of a file begins. */
function isEmpty({ contents }: Document): boolean {
  return contents === null || (isScalar(contents) && contents.value === null)
}

function replaced(text: string, pair: Pair, value: string | undefined): string {
  const key = pair.key as Scalar
  const node = pair.value as Scalar | null
  const [start, end] = node?.range ?? [key.range![1], key.range![1]]
  if (value === undefined) {
    const from = text.lastIndexOf('\n', key.range![0]) + 1
    const to = text.indexOf('\n', end)
    return text.slice(0, from) + (to < 0 ? '' : text.slice(to + 1))
  }
  const quote = /^["']/.exec(text.slice(start, end))?.[0] ?? ''
  const gap = /\s/.test(text[start - 1] ?? '') ? '' : ' '
  return `${text.slice(0, start)}${gap}${quote}${value}${quote}${text.slice(end)}`
}

function inserted(text: string, root: Document, key: string, value: string): string {
  const map = isMap(root.contents) ? (root.contents as YAMLMap) : undefined
  if (map?.flow && map.range) {
    const at = map.range[0] + 1
    return `${text.slice(0, at)}"${key}": "${value}"${map.items.length > 0 ? ', ' : ''}${text.slice(at)}`
  }
  const end = text.includes('\r\n') ? '\r\n' : '\n'
  const gap = text === '' || text.endsWith('\n') ? '' : end
  const at = endOfMap(text, map)
  const added = `${indentOf(text, map)}${key}: ${value}${gap === '' || at < text.length ? end : ''}`
  return at < text.length ? text.slice(0, at) + added + text.slice(at) : text + gap + added
}

/** The end of the text, or the line that ends the document. */
function endOfMap(text: string, map: YAMLMap | undefined): number {
  const from = map?.range?.[1] ?? text.length
  const marker = /^(?:\.{3}|-{3})(?=\s|$)/m.exec(text.slice(from))
  return marker ? from + marker.index : text.length
}

function indentOf(text: string, map: YAMLMap | undefined): string {
  const start = (map?.items[0]?.key as Scalar | undefined)?.range?.[0] ?? 0
  return /(?:^|\n)( *)$/.exec(text.slice(0, start))?.[1] ?? ''
}

function sameSettings(a: Settings, b: Settings): boolean {
  const ordered = (settings: Settings) => JSON.stringify(Object.entries(settings).sort(([x], [y]) => (x < y ? -1 : 1)))
  return ordered(a) === ordered(b)
}
