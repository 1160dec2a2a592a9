import { StringDecoder } from 'node:string_decoder'

/**
 * The lines of a byte stream, empty ones left out. What stands after the last newline is given too: a stream
 * that was cut short must show as a line that does not parse, not as a clean end.
 */
export async function* splitLines(chunks: AsyncIterable<Buffer>, onChunk: () => void): AsyncGenerator<string> {
  const decoder = new StringDecoder('utf8')
  // Pieces are joined only when the newline arrives: a line of megabytes comes in thousands of chunks.
  let pieces: string[] = []
  for await (const chunk of chunks) {
    onChunk()
    const [first = '', ...rest] = decoder.write(chunk).split('\n')
    pieces.push(first)
    for (const next of rest) {
      const line = pieces.join('')
      pieces = [next]
      if (line !== '') yield line
    }
  }
  const last = pieces.join('') + decoder.end()
  if (last !== '') yield last
}
