/**
 * Pure: a file of version 2 in version 3, its comments, order and spelling kept. containerd reads version 2 still, and moves
 * the settings in its memory at each start; what people and tools add to such a file in the new way is ignored.
 */
import { endOfLine, indentAt, lineEnd, lineStart, nextLine } from '../toml/lines.ts'
import { type Header, type Pair, startsWith, statementsOf } from '../toml/statements.ts'
import { type Path, parseTree, same, valueAt } from '../toml/tree.ts'
import { criV2, imagesV3, runtimeV3 } from './paths.ts'
import { type Dialect, isListed, leavesOf, pathInVersion3, treeInVersion3 } from './version3.ts'

/** Undefined when the text is spelled so that its parts cannot be moved: then it stays in version 2. */
export function migrated(text: string, program: Dialect): string | undefined {
  // An empty folder is none, but a list with it in would be one.
  const isEmpty = valueAt(parseTree(text), [...criV2, 'cni', 'bin_dir']) === ''
  const dialect = { hasBinDirs: program.hasBinDirs && !isEmpty }
  const blocks = blocksOf(text)
  const moved = new Map<string, Moved>()
  for (const block of blocks) for (const pair of block.pairs) collect(moved, text, { block, pair, dialect })
  const after = blocks.map((block) => blockText(text, block, { moved, dialect })).join('')
  return isSame(text, after, dialect) ? after : undefined
}

/** A header with its keys, or the keys above the first one: from the line of the header to that of the next one. */
interface Block {
  readonly header: Header | undefined
  readonly pairs: readonly Pair[]
  readonly start: number
  readonly end: number
}

/** Keys that leave their table for one that has no place in the text yet, by that table. */
interface Moved {
  readonly table: Path
  /** It is written below this block. */
  readonly block: Block
  readonly lines: string[]
}

interface Moving {
  readonly moved: ReadonlyMap<string, Moved>
  readonly dialect: Dialect
}

function blocksOf(text: string): Block[] {
  const statements = statementsOf(text)
  const starts = statements.flatMap((each, at) => (each.kind === 'header' ? [at] : []))
  const ranges = [-1, ...starts].map((at, index) => ({ at, next: starts[index] ?? statements.length }))
  return ranges.map(({ at, next }) => {
    const header = statements[at] as Header | undefined
    const following = statements[next]
    return {
      header,
      pairs: statements.slice(at + 1, next).filter((each): each is Pair => each.kind === 'pair'),
      start: header ? lineStart(text, header.start) : 0,
      end: following ? lineStart(text, following.start) : text.length,
    }
  })
}

/** Where a block's own keys stay together. */
function tableOf({ header }: Block, dialect: Dialect): Path {
  return header ? pathInVersion3(header.path, dialect) : []
}

/** The table that a key of a mixed block goes to. */
function destinationOf(block: Block, pair: Pair, dialect: Dialect): Path {
  const own = tableOf(block, dialect)
  const path = pathInVersion3(pair.path, dialect)
  if (startsWith(path, own)) return own
  const pinned = [...imagesV3, 'pinned_images']
  return [pinned, imagesV3, runtimeV3, criV2].find((table) => startsWith(path, table)) ?? own
}

function collect(moved: Map<string, Moved>, text: string, what: { block: Block; pair: Pair; dialect: Dialect }): void {
  const { block, pair, dialect } = what
  const table = destinationOf(block, pair, dialect)
  if (same(table, tableOf(block, dialect))) return
  const key = JSON.stringify(table)
  const group = moved.get(key) ?? { table, block, lines: [] }
  moved.set(key, group)
  const { start } = chunkOf(text, block, pair)
  const comments = text.slice(start, lineStart(text, pair.start))
  const written = comments + pairText(text, pair, { table, dialect })
  const strip = indentAt(text, pair.start)
  group.lines.push(...written.split(/\r?\n/).map((line) => (line.startsWith(strip) ? line.slice(strip.length) : line)))
}

/** The lines of a pair with the comments right above it. */
function chunkOf(text: string, { header, start }: Block, pair: Pair): { start: number; end: number } {
  const first = header ? nextLine(text, header.end) : start
  let from = lineStart(text, pair.start)
  while (from > first) {
    const above = lineStart(text, from - 1)
    if (!/^\s*#/.test(text.slice(above, from))) break
    from = above
  }
  return { start: from, end: nextLine(text, pair.end) }
}

/** Its lines up to the end of the last, with the key and value as version 3 has them. */
function pairText(text: string, pair: Pair, { table, dialect }: { table: Path; dialect: Dialect }): string {
  const path = pathInVersion3(pair.path, dialect)
  const [from, to] = pair.value.range
  const [, key, equals] = /^(.*?)(\s*=\s*)$/s.exec(text.slice(pair.start, from))!
  const spelling = path.slice(table.length).map((name, at, keys) => {
    const behind = keys.length - at
    return pair.path.at(-behind) === name ? pair.spelling.at(-behind)! : name
  })
  const isKept = same(path.slice(table.length), pair.path.slice(pair.table.length))
  const value = text.slice(from, to)
  const listed = isListed(pair.path, dialect) ? `[${value}]` : value
  const lead = text.slice(lineStart(text, pair.start), pair.start)
  return lead + (isKept ? key : spelling.join('.')) + equals + listed + text.slice(to, lineEnd(text, pair.end))
}

function blockText(text: string, block: Block, { moved, dialect }: Moving): string {
  const own = tableOf(block, dialect)
  const groups = [...moved.values()].filter((group) => group.block === block)
  const kept = block.pairs.filter((pair) => same(destinationOf(block, pair, dialect), own))
  const end = endOfLine(text)
  const last = block.pairs.at(-1)
  const tailAt = last ? nextLine(text, last.end) : block.end
  const isEmptied = block.header !== undefined && kept.length === 0 && groups.length > 0
  const body = isEmptied ? '' : bodyText(text, block, { own, dialect, until: tailAt })
  const written = groups.map((group, at) => groupText(text, group, { end, isFirst: isEmptied && at === 0 }))
  const gap = body === '' || body.endsWith('\n') ? '' : end
  const all = body + (written.length > 0 ? gap : '') + written.join('')
  return all + text.slice(tailAt, block.end)
}

/** The block without the keys that leave it. */
function bodyText(
  text: string,
  block: Block,
  { own, dialect, until }: { own: Path; dialect: Dialect; until: number },
): string {
  let at = block.start
  let body = ''
  if (block.header) {
    const { start, end } = block.header
    body = text.slice(at, start) + headerText(text, block.header, own) + text.slice(end, nextLine(text, end))
    at = nextLine(text, end)
  }
  for (const pair of block.pairs) {
    const isKept = same(destinationOf(block, pair, dialect), own)
    const chunk = chunkOf(text, block, pair)
    body += text.slice(at, isKept ? lineStart(text, pair.start) : chunk.start)
    at = chunk.end
    if (!isKept) continue
    const isVersion = same(pair.path, ['version'])
    const line = isVersion
      ? text.slice(lineStart(text, pair.start), pair.value.range[0]) +
        '3' +
        text.slice(pair.value.range[1], lineEnd(text, pair.end))
      : pairText(text, pair, { table: own, dialect })
    body += line + text.slice(lineEnd(text, pair.end), chunk.end)
  }
  return body + text.slice(at, until)
}

/** `[plugins."..."...]` with the plugin's name of version 3, in the quotes that it has. */
function headerText(text: string, { start, end, path, spelling }: Header, own: Path): string {
  const whole = text.slice(start, end)
  if (path.length < 2 || path[1] === own[1]) return whole
  const quote = /^["']/.exec(spelling[1]!)?.[0] ?? '"'
  const [before, after] = [whole.indexOf(spelling[1]!), spelling[1]!.length]
  return whole.slice(0, before) + quote + own[1] + quote + whole.slice(before + after)
}

function groupText(
  text: string,
  { table, block, lines }: Moved,
  { end, isFirst }: { end: string; isFirst: boolean },
): string {
  const { header } = block
  const indent = header ? indentAt(text, header.start) : ''
  const step = header && block.pairs[0] ? stepBelow(text, header, block.pairs[0]) : ''
  const quote = header ? (/^["']/.exec(header.spelling[1]!)?.[0] ?? '"') : '"'
  const [plugins, id, ...rest] = table
  const name = [plugins, `${quote}${id}${quote}`, ...rest].join('.')
  const head = isFirst && header ? text.slice(header.end, lineEnd(text, header.end)) : ''
  const body = lines.map((line) => (line === '' ? '' : indent + step + line))
  return [...(isFirst ? [] : ['']), `${indent}[${name}]${head}`, ...body].join(end) + end
}

function stepBelow(text: string, header: Header, pair: Pair): string {
  const [outer, inner] = [indentAt(text, header.start), indentAt(text, pair.start)]
  return inner.startsWith(outer) ? inner.slice(outer.length) : ''
}

/** The same settings, where version 3 has them, and no others. */
function isSame(before: string, after: string, dialect: Dialect): boolean {
  const expected = treeInVersion3(parseTree(before), dialect)
  let actual: Map<string, unknown>
  try {
    // Both parsers have to read it: the next edit needs both.
    statementsOf(after)
    actual = leavesOf(parseTree(after))
  } catch {
    return false
  }
  const isThere = ([path, value]: [string, unknown]) => same(actual.get(path), value)
  return expected.size === actual.size && [...expected].every(isThere)
}
