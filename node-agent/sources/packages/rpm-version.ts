/** Pure: the order of versions as rpm has it, newest last. `epoch:version-release`, of which epoch and release may be absent. */

export function compareRpm(a: string, b: string): number {
  const [left, right] = [partsOf(a), partsOf(b)]
  for (const at of [0, 1, 2] as const) {
    const order = compareSegments(left[at], right[at])
    if (order !== 0) return order
  }
  return 0
}

function partsOf(evr: string): readonly [epoch: string, version: string, release: string] {
  const [, epoch = '0', version = '', release = ''] = /^(?:(\d+):)?([^-]*)(?:-(.*))?$/.exec(evr) ?? []
  return [epoch, version, release]
}

/** A tilde comes before the end of a version (1.0~rc1 < 1.0), a caret after it; numbers are newer than letters. */
function compareSegments(a: string, b: string): number {
  const [left, right] = [a, b].map((text) => text.match(/\d+|[A-Za-z]+|~|\^/g) ?? [])
  for (let at = 0; at < Math.max(left!.length, right!.length); at++) {
    const order = compareSegment(left![at], right![at])
    if (order !== 0) return order
  }
  return 0
}

function compareSegment(a: string | undefined, b: string | undefined): number {
  const [left, right] = [rankOf(a), rankOf(b)]
  if (left !== right || left < 3) return Math.sign(left - right)
  if (left === 4) return Math.sign(Number(a) - Number(b))
  return a! < b! ? -1 : a! > b! ? 1 : 0
}

function rankOf(segment: string | undefined): number {
  if (segment === '~') return 0
  if (segment === undefined) return 1
  if (segment === '^') return 2
  return /\d/.test(segment) ? 4 : 3
}
