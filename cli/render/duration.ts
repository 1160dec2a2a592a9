/** A duration as people write it: 850 ms, 2.7 s, 4m10s, 1h05m. */
export const humanMilliseconds = (milliseconds: number | undefined): string => {
  if (milliseconds === undefined) return ''
  if (milliseconds < 999.5) return `${Math.round(milliseconds)} ms`
  if (milliseconds < 59_950) return `${(milliseconds / 1000).toFixed(1)} s`
  const seconds = Math.round(milliseconds / 1000)
  const two = (value: number): string => String(value).padStart(2, '0')
  return seconds < 3600
    ? `${Math.floor(seconds / 60)}m${two(seconds % 60)}s`
    : `${Math.floor(seconds / 3600)}h${two(Math.floor((seconds % 3600) / 60))}m`
}
