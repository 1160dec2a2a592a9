import fc from 'fast-check'
import t from 'tap'
import { decodeLines, encodeLine } from '../../node-agent/journal/lines.ts'

const records = [
  { type: 'step', name: 'stop-kubelet' },
  { type: 'back', why: { message: 'line\nbreak, “quotes” and ümläute' } },
  { type: 'failed' },
]
const lines = records.map(encodeLine)
const whole = Buffer.concat(lines)

t.test('whole records come back', async (t) => {
  t.strictSame(decodeLines(whole), { records, length: whole.length })
  t.strictSame(decodeLines(Buffer.alloc(0)), { records: [], length: 0 })
})

t.test('torn at any byte, the records before it are read, and nothing else', async (t) => {
  for (let length = 0; length < whole.length; length++) {
    let kept = 0
    for (let end = 0; kept < lines.length && end + lines[kept]!.length <= length; kept++) end += lines[kept]!.length
    const read = decodeLines(whole.subarray(0, length))
    t.strictSame(read.records, records.slice(0, kept), `torn at ${length}`)
    t.equal(read.length, Buffer.concat(lines.slice(0, kept)).length)
  }
})

t.test('any changed byte ends the reading at its record', async (t) => {
  for (let at = 0; at < whole.length; at++) {
    const spoiled = Buffer.from(whole)
    spoiled[at] = spoiled[at]! ^ 0x01
    let intact = 0
    for (let end = 0; intact < lines.length && end + lines[intact]!.length <= at; intact++) end += lines[intact]!.length
    t.strictSame(decodeLines(spoiled).records, records.slice(0, intact), `changed at ${at}`)
  }
})

t.test('anything at all can be read', async () => {
  fc.assert(fc.property(fc.uint8Array(), (bytes) => decodeLines(Buffer.from(bytes)).records.length === 0))
  fc.assert(
    fc.property(fc.array(fc.dictionary(fc.string(), fc.jsonValue())), fc.uint8Array(), (written, tail) => {
      const read = decodeLines(Buffer.concat([...written.map(encodeLine), Buffer.from(tail)]))
      return JSON.stringify(read.records) === JSON.stringify(written)
    }),
  )
})
