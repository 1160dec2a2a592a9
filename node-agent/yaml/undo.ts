/** Pure: what a YAML file is without the keys that Drydock has set in it. */
import type { FileFound, Past } from '../engines/engine.ts'
import { sameBytes, textOf } from '../engines/refused.ts'
import { settingsOf, withKey } from './edit.ts'

/** A file that nobody else has touched gets its bytes back; in another, a key that nobody has changed since gets its value back. */
export function withoutKeys(file: FileFound, past: Past | undefined, keys: readonly string[]): Buffer | undefined {
  const { path, bytes } = file
  if (!past || bytes === undefined) return bytes
  if (sameBytes(bytes, past.written)) return past.original
  const [now, written, original] = [bytes, past.written, past.original].map((each) =>
    settingsOf(path, textOf(path, each)),
  )
  const ours = keys.filter((key) => written![key] !== original![key] && now![key] === written![key])
  return ours.reduce((edited, key) => {
    const former = original![key]
    const value = typeof former === 'string' ? former : undefined
    return Buffer.from(withKey(path, textOf(path, edited), { key, value }))
  }, bytes)
}
