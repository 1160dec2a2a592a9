/**
 * `memory-watch NAME=PATTERN...`: looks every 200 ms at the processes whose command line has a PATTERN, until SIGTERM. Then
 * prints the most that any of them took, by name, in bytes.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { watching } from './watching.ts'

export interface Peak {
  /** The kernel's own high-water mark of the resident set (VmHWM). */
  readonly rss: number
  /** Proportional set size: pages that others have mapped, too, count in parts. The largest that was seen. */
  readonly pss: number
}

const everyMs = 200
const peaks: Record<string, Peak> = {}
const names = process.argv.slice(2).map((argument) => argument.split('=') as [name: string, pattern: string])

/** Asked each time: a process that has just been forked still has the command line of another. */
function nameOf(pid: string): string | undefined {
  const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8')
  return names.find(([, pattern]) => command.includes(pattern) && !command.includes('memory-watch'))?.[0]
}

const kilobytes = (text: string, key: string): number =>
  1024 * Number(new RegExp(`^${key}:\\s+(\\d+) kB$`, 'm').exec(text)?.[1] ?? 0)

function look(pid: string): void {
  const name = nameOf(pid)
  if (name === undefined) return
  const rss = kilobytes(readFileSync(`/proc/${pid}/status`, 'utf8'), 'VmHWM')
  const pss = kilobytes(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'), 'Pss')
  const { rss: mostRss = 0, pss: mostPss = 0 } = peaks[name] ?? {}
  peaks[name] = { rss: Math.max(rss, mostRss), pss: Math.max(pss, mostPss) }
}

process.stdout.write(watching)
setInterval(() => {
  for (const pid of readdirSync('/proc').filter((entry) => /^\d+$/.test(entry))) {
    try {
      look(pid)
    } catch {
      // It has ended meanwhile.
    }
  }
}, everyMs)

process.on('SIGTERM', () => {
  process.stdout.write(JSON.stringify(peaks))
  process.exit()
})
