/** The statements of a TOML text with their places: what an edit that keeps every other byte needs. */
import { type AST, ParseError, parseTOML } from 'toml-eslint-parser'
import type { Path } from './tree.ts'

/** Why a text cannot be edited, and the line (from 1) that is in the way. */
export class TomlEditError extends Error {
  override readonly name = 'TomlEditError'
  readonly line: number
  constructor(message: string, line: number) {
    super(message)
    this.line = line
  }
}

export interface Header {
  readonly kind: 'header'
  readonly path: Path
  /** Offsets of `[...]` alone. */
  readonly start: number
  readonly end: number
  readonly line: number
  /** The segments of its key as they are spelled. */
  readonly spelling: readonly string[]
}

export interface Pair {
  readonly kind: 'pair'
  /** Full path, with that of the header above. */
  readonly path: Path
  readonly start: number
  readonly end: number
  readonly line: number
  readonly table: Path
  readonly spelling: readonly string[]
  readonly value: AST.TOMLContentNode
}

export type Statement = Header | Pair

/** In the order of the text. Tables of an array are left out: no path of ours leads into one. */
export function statementsOf(text: string): Statement[] {
  const statements: Statement[] = []
  for (const node of parseProgram(text).body[0].body) {
    if (node.type === 'TOMLKeyValue') {
      statements.push(pairOf(text, node, []))
      continue
    }
    if (node.resolvedKey.some((key) => typeof key === 'number')) continue
    const path = node.resolvedKey.map(String)
    const end = text.indexOf(']', node.key.range[1]) + 1
    const spelling = spellingOf(text, node.key)
    statements.push({ kind: 'header', path, start: node.range[0], end, line: node.loc.start.line, spelling })
    for (const pair of node.body) statements.push(pairOf(text, pair, path))
  }
  return statements
}

/** The line, from 1, that defines what is at the path, or its nearest parent that is spelled; 1 when there is neither. */
export function lineOf(text: string, path: Path): number {
  let best = { depth: 0, line: 1 }
  for (const { path: at, line } of statementsOf(text)) {
    const depth = commonDepth(at, path)
    if (depth > best.depth && (depth === path.length || depth === at.length)) best = { depth, line }
  }
  return best.line
}

export function keysOf(key: AST.TOMLKey): string[] {
  return key.keys.map((part) => (part.type === 'TOMLBare' ? part.name : part.value))
}

export function spellingOf(text: string, key: AST.TOMLKey): string[] {
  return key.keys.map((part) => text.slice(...part.range))
}

export function commonDepth(a: Path, b: Path): number {
  let depth = 0
  while (depth < a.length && depth < b.length && a[depth] === b[depth]) depth++
  return depth
}

export function startsWith(path: Path, prefix: Path): boolean {
  return path.length >= prefix.length && commonDepth(path, prefix) === prefix.length
}

function pairOf(text: string, node: AST.TOMLKeyValue, table: Path): Pair {
  return {
    kind: 'pair',
    path: [...table, ...keysOf(node.key)],
    start: node.range[0],
    end: node.range[1],
    line: node.loc.start.line,
    table,
    spelling: spellingOf(text, node.key),
    value: node.value,
  }
}

function parseProgram(text: string): AST.TOMLProgram {
  try {
    return parseTOML(text, { tomlVersion: '1.0' })
  } catch (error) {
    if (error instanceof ParseError) throw new TomlEditError(error.message, error.lineNumber)
    throw error
  }
}
