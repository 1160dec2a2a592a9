/** Pure: edits single flags in environment files and Environment= lines; every other byte stays. */
import { assignmentsOf, type Word, wordsOf } from '../detect/unit-file.ts'
import type { FileFound } from '../engines/engine.ts'
import { Refused, textOf } from '../engines/refused.ts'

export interface Flag {
  readonly name: string
  /** Takes no value, or one after "=" only. */
  readonly isSwitch?: boolean
}

/** A flag of the kubelet's command line. */
export interface Occurrence {
  readonly value: string
  /** The word that starts with the flag's name. */
  readonly word: Word
}

export type Source = 'Environment' | 'EnvironmentFile'

/** Where the words of a line are to become others. */
export interface Line {
  readonly file: FileFound
  readonly source: Source
  /** Line in the file, from 1. */
  readonly line: number
}

export function occurrencesOf(command: readonly Word[], flag: Flag): Occurrence[] {
  return spansOf(
    command.map(({ text }) => text),
    flag,
  ).map(({ at, value }) => ({ value, word: command[at]! }))
}

/** The value that counts among words; undefined without the flag. */
export function flagIn(words: readonly string[], flag: Flag): string | undefined {
  return spansOf(words, flag).at(-1)?.value
}

/** The line with the flag at the value wherever it has the flag; without a value, the flag goes. */
export function withFlag({ file, source, line }: Line, flag: Flag, value: string | undefined): Buffer {
  const text = textOf(file.path, file.bytes)
  const [start, end] = lineSpan(text, line)
  let setting = text.slice(start, end)
  for (const { index, 0: whole, groups } of [...setting.matchAll(patternOf(flag))].reverse()) {
    const { key, old } = groups as { key: string; old: string }
    setting =
      value === undefined
        ? cut(setting, index, index + whole.length)
        : setting.slice(0, index) + key + requoted(old, value) + setting.slice(index + whole.length)
  }
  const after = Buffer.from(text.slice(0, start) + setting + text.slice(end))
  const expected = (words: readonly string[]) => changedWords(words, flag, value)
  return verified({ file, source, line }, { flag, after, expected })
}

/** Of the blanks around what is cut out, those on one side go with it. */
function cut(text: string, start: number, end: number): string {
  const [before, after] = [text.slice(0, start), text.slice(end)]
  return /[ \t]$/.test(before) ? before.replace(/[ \t]+$/, '') + after : before + after.replace(/^[ \t]+/, '')
}

/** The line with the flag added to the value of one of its variables. */
export function withAddedFlag(
  { file, source, line }: Line,
  variable: string,
  { flag, value }: { flag: Flag; value: string },
): Buffer {
  const text = textOf(file.path, file.bytes)
  const [start, end] = lineSpan(text, line)
  const added = `--${flag.name}=${value}`
  const at = endOfValue(text.slice(start, end), variable)
  const gap = /[\s"'=]/.test(text[start + at - 1] ?? '"') ? '' : ' '
  const after = Buffer.from(text.slice(0, start + at) + gap + added + text.slice(start + at))
  const expected = (words: readonly string[], name: string) => (name === variable ? [...words, added] : words)
  return verified({ file, source, line }, { flag, after, expected })
}

/** `--name value` and `--name=value`; kubelets take "_" for "-". */
function spansOf(words: readonly string[], { name, isSwitch }: Flag): { at: number; length: number; value: string }[] {
  return words.flatMap((text, at) => {
    const [, key, value] = /^--([^=]+)(?:=(.*))?$/s.exec(text) ?? []
    if (key?.replaceAll('_', '-') !== name) return []
    if (value !== undefined || isSwitch) return [{ at, length: 1, value: value ?? 'true' }]
    return [{ at, length: 2, value: words[at + 1] ?? '' }]
  })
}

function changedWords(words: readonly string[], flag: Flag, value: string | undefined): string[] {
  const changed = [...words]
  for (const { at, length } of spansOf(words, flag).reverse()) {
    const name = words[at]!.split('=')[0]!
    const now = value === undefined ? [] : length === 2 ? [name, value] : [`${name}=${value}`]
    changed.splice(at, length, ...now)
  }
  return changed
}

/** The whole flag: never the beginning of a longer one. */
function patternOf({ name, isSwitch }: Flag): RegExp {
  const key = `--${name.replaceAll('-', '[-_]')}`
  const old = `(?<old>"[^"]*"|'[^']*'|[^\\s"'\\\\]*)`
  const rest = isSwitch ? `(?<key>${key})(?:=${old})?` : `(?<key>${key}(?:=|[ \\t]+))${old}`
  return new RegExp(`(?<=^|["'=\\s])${rest}(?=[\\s"']|$)`, 'g')
}

function requoted(old: string, value: string): string {
  const quote = /^["']/.exec(old)?.[0] ?? ''
  return quote + value + quote
}

/** Offsets of a setting that may go on over several lines, without the last line end. */
function lineSpan(text: string, line: number): [start: number, end: number] {
  let start = 0
  for (let at = 1; at < line; at++) start = text.indexOf('\n', start) + 1
  for (let from = start; ; ) {
    const feed = text.indexOf('\n', from)
    const end = feed < 0 ? text.length : feed
    const content = text.slice(from, end).replace(/\r$/, '')
    const isComment = from > start && /^\s*[#;]/.test(content)
    if (feed < 0 || !(content.endsWith('\\') || isComment)) return [start, from + content.length]
    from = feed + 1
  }
}

/** Offset at which a variable's value ends: before the quote that closes it, if one does. */
function endOfValue(setting: string, variable: string): number {
  const found = new RegExp(`(["'])${variable}=|${variable}=(["'])`).exec(setting)
  const quote = found?.[1] ?? found?.[2]
  if (!found || !quote) return setting.replace(/[\s\\]+$/, '').length
  const end = setting.indexOf(quote, found.index + found[0].length)
  return end < 0 ? setting.length : end
}

/** The edited bytes, when they mean what was intended and nothing else. */
function verified(
  { file, source, line }: Line,
  {
    flag,
    after,
    expected,
  }: { flag: Flag; after: Buffer; expected: (words: readonly string[], name: string) => readonly string[] },
): Buffer {
  const meant = variablesOf(file, source).map((each) =>
    each.line === line ? { ...each, words: expected(each.words, each.name) } : each,
  )
  if (JSON.stringify(variablesOf({ ...file, bytes: after }, source)) === JSON.stringify(meant)) return after
  throw new Refused(
    'KubeletFlag',
    `${file.path}:${line} writes the kubelet's flag --${flag.name} in a way that Drydock does not understand: write that line as NAME="--flag=value --flag=value"`,
  )
}

export interface Variable {
  readonly name: string
  readonly words: readonly string[]
  readonly line: number
}

export function variablesOf(file: FileFound, source: Source): Variable[] {
  return assignmentsOf(file, source).map(({ text, line }) => {
    const at = text.indexOf('=')
    return { name: text.slice(0, at), words: wordsOf(text.slice(at + 1)), line }
  })
}
