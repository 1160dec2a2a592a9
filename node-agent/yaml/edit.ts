/** Edits one top-level key of a YAML or JSON text in place: every other byte stays. */
import { Document, isMap, isScalar, LineCounter, type Pair, parseAllDocuments, type Scalar, type YAMLMap } from 'yaml'
import { Refused } from '../engines/refused.ts'

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
  if (!sameSettings(settingsOf(path, edited), expected)) {
    throw new Refused(
      'ConfigNotEditable',
      `${path} is laid out so that ${key} cannot be changed alone: write "${key}: ${value}" on a line of its own`,
    )
  }
  return edited
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
  if (others.length > 0)
    throw new Refused('ConfigInvalid', `${path} holds ${documents.length} YAML documents, where one is expected`)
  if (first.contents !== null && !isMap(first.contents))
    throw new Refused('ConfigInvalid', `${path}:1 is not a map of settings`)
  return first
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
  const map = root.contents as YAMLMap | null
  if (map?.flow && map.range) {
    const at = map.range[0] + 1
    return `${text.slice(0, at)}"${key}": "${value}"${map.items.length > 0 ? ', ' : ''}${text.slice(at)}`
  }
  const end = text.includes('\r\n') ? '\r\n' : '\n'
  const gap = text === '' || text.endsWith('\n') ? '' : end
  return `${text}${gap}${key}: ${value}${gap === '' ? end : ''}`
}

function sameSettings(a: Settings, b: Settings): boolean {
  const ordered = (settings: Settings) => JSON.stringify(Object.entries(settings).sort(([x], [y]) => (x < y ? -1 : 1)))
  return ordered(a) === ordered(b)
}
