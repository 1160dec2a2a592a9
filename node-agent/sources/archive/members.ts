/** Pure: what a tar archive would put on the host, judged by its table of contents before anything is unpacked. */
import { Refused } from '../../engines/refused.ts'

/** `--quoting-style=c` quotes every name, so that no name looks like a part of the line. */
export const listArguments = ['--list', '--verbose', '--numeric-owner', '--quoting-style=c'] as const

/** `-rwxr-xr-x 0/0 39 2026-01-01 00:00 "bin/crio"`, and for links ` -> "target"` or ` link to "target"`. */
const line = /^(.)\S*\s+\S+\s+(\S+)\s+\S+\s+\S+\s+"((?:[^"\\]|\\.)*)"(?: (?:->|link to) "((?:[^"\\]|\\.)*)")?$/

const kinds: Readonly<Record<string, 'file' | 'folder' | 'link'>> = { '-': 'file', d: 'folder', l: 'link', h: 'link' }

/** How many bytes the archive unpacks to. Throws Refused when a member would be, or lead, outside of the folder. */
export function unpackedBytes(listing: string, url: string): number {
  let bytes = 0
  for (const each of listing.split('\n').filter((text) => text !== '')) {
    const [, type = '', size, name, target] = line.exec(each) ?? []
    const kind = kinds[type]
    if (name === undefined || kind === undefined) throw refused(url, `is not a plain file: ${each}`)
    if (leadsOut(name)) throw refused(url, `would be unpacked elsewhere: ${name}`)
    // Such a link stays at or below its own folder, so that no later member gets out by way of it either.
    if (kind === 'link' && (target === undefined || leadsOut(target)))
      throw refused(url, `is a link that leads away: ${each}`)
    if (kind === 'file') bytes += Number(size)
  }
  return bytes
}

/** A backslash stands for a character that no program of an engine has in its name. */
function leadsOut(path: string): boolean {
  return path.startsWith('/') || path.includes('\\') || path.split('/').includes('..')
}

function refused(url: string, what: string): Refused {
  return new Refused(
    'ArchiveInvalid',
    `a member of the archive ${url} ${what}; nothing of it was unpacked: take the archive of the engine's own release`,
  )
}
