/**
 * The text of a journal: one record a line, `<sha256, 16 digits> <json>`. The last line may be torn by a power cut;
 * it was being written before its act, so that nothing it speaks of has happened, and it is left out.
 */
import { createHash } from 'node:crypto'

const checksum = (json: string): string => createHash('sha256').update(json).digest('hex').slice(0, 16)

export function encodeLine(record: object): Buffer {
  const json = JSON.stringify(record)
  return Buffer.from(`${checksum(json)} ${json}\n`)
}

function decodeLine(line: string): unknown {
  const json = line.slice(17)
  return line.slice(0, 17) === `${checksum(json)} ` ? JSON.parse(json) : undefined
}

/** The whole records up to the first line that is torn or spoiled, and how many bytes they are. */
export function decodeLines(bytes: Buffer): { readonly records: readonly unknown[]; readonly length: number } {
  const records: unknown[] = []
  let length = 0
  for (;;) {
    const end = bytes.indexOf(0x0a, length)
    if (end < 0) return { records, length }
    const record = decodeLine(bytes.toString('utf8', length, end))
    if (record === undefined) return { records, length }
    records.push(record)
    length = end + 1
  }
}
