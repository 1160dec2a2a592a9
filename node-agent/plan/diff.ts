/** What an edit changes, for people. */
import { createTwoFilesPatch } from 'diff'
import type { FileEdit } from '../engines/engine.ts'

const maxLength = 8192
const cut = '\n(cut)\n'

/** A unified diff of at most 8 kB. */
export function unifiedDiff({ path, before, after }: FileEdit): string {
  const patch = createTwoFilesPatch(
    before ? path : '/dev/null',
    after ? path : '/dev/null',
    before?.toString() ?? '',
    after?.toString() ?? '',
    undefined,
    undefined,
    { context: 3, headerOptions: { includeIndex: false, includeUnderline: false, includeFileHeaders: true } },
  )
  return patch.length <= maxLength ? patch : patch.slice(0, maxLength - cut.length) + cut
}

/** Line, from 1, in which two texts first differ. */
export function firstDifference(a: Buffer | undefined, b: Buffer | undefined): number {
  const [left, right] = [a, b].map((bytes) => (bytes?.toString() ?? '').split('\n'))
  const at = left!.findIndex((line, index) => line !== right![index])
  return (at < 0 ? left!.length : at) + 1
}
