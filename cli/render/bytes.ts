const units = ['kB', 'MB', 'GB', 'TB']

/** A size as people write it: 512 B, 3.4 MB, 128 GB. Units of 1000, as `df -H` and disk makers count. */
export const humanBytes = (bytes: number | undefined): string => {
  if (bytes === undefined) return ''
  if (bytes < 1000) return `${bytes} B`
  let value = bytes
  let unit = 'B'
  for (const larger of units) {
    if (value < 999.5) break
    value /= 1000
    unit = larger
  }
  return `${value < 9.95 ? value.toFixed(1) : Math.round(value)} ${unit}`
}
