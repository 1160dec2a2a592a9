/** "1.7.24~ds1" → [1, 7, 24]; undefined for what is no version. */
function numbersOf(version: string): readonly number[] | undefined {
  const numbers = /^v?(\d+)\.(\d+)(?:\.(\d+))?/.exec(version)
  return numbers?.slice(1).map((digits = '0') => Number(digits))
}

/** Whether a version comes before another, as far as the first three numbers tell. */
export function isOlder(version: string | undefined, than: string | undefined): boolean {
  const [a, b] = [version, than].map((each) => (each === undefined ? undefined : numbersOf(each)))
  const at = a && b ? a.findIndex((number, index) => number !== b[index]) : -1
  return at >= 0 && a![at]! < b![at]!
}
