/** What a suite's TAP says of the tests that failed or were left out, for the end of a long log. */

export interface Verdicts {
  /** A paragraph each: file and names of the tests down to the assertion, and its diagnostics. */
  readonly failed: readonly string[]
  /** A line each, with the reason. */
  readonly skipped: readonly string[]
}

interface Found {
  readonly isFailure: boolean
  readonly diagnostics: string[]
  names: string
  depth: number
}

const mostDiagnostics = 40
const point = /^( *)(not ok|ok) \d+ - (.*)$/
const comment = /^ *# /

/** Of TAP with indented subtests, in which the line of a test follows those of its subtests. Bail-outs are no points. */
export function verdictsOf(tap: string): Verdicts {
  const found: Found[] = []
  let diagnosed: Found | undefined
  for (const line of tap.split('\n')) {
    const match = line.match(point)
    if (match) diagnosed = told(found, match)
    else if (comment.test(line)) diagnosed = undefined
    else if (diagnosed && line.trim() && diagnosed.diagnostics.length < mostDiagnostics)
      diagnosed.diagnostics.push(line)
  }
  const say = ({ names, diagnostics }: Found) => [names, ...diagnostics].join('\n')
  return {
    failed: found.filter(({ isFailure }) => isFailure).map(say),
    skipped: found.filter(({ isFailure }) => !isFailure).map(say),
  }
}

/** Names the tests below this one after it, or notes it when it is itself what failed or was left out. */
function told(found: Found[], [, indent = '', verdict, rest = '']: RegExpMatchArray): Found | undefined {
  const depth = indent.length
  const name = rest.replace(/ # time=.*$/, '').replace(/ \{$/, '')
  const below = found.filter((other) => other.depth > depth)
  for (const other of below) Object.assign(other, { names: `${name} > ${other.names}`, depth })
  const isFailure = verdict === 'not ok'
  const isSkipped = !isFailure && / # (SKIP|TODO)\b/.test(name)
  if (!isSkipped && (!isFailure || below.some((other) => other.isFailure))) return undefined
  const one: Found = { isFailure, diagnostics: [], names: name, depth }
  found.push(one)
  return isFailure ? one : undefined
}
