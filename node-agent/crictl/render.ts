/** Pure: the configuration of crictl, which people and their scripts look into a node with. */
import type { FileEdit, FileFound, Pasts, Refusal } from '../engines/engine.ts'
import { orRefusal, sameBytes, textOf } from '../engines/refused.ts'
import { sameSocket } from '../kubelet/settings.ts'
import { settingsOf, withKey } from '../yaml/edit.ts'
import { withoutKeys } from '../yaml/undo.ts'

export const crictlPath = '/etc/crictl.yaml'

const runtime = 'runtime-endpoint'
const image = 'image-endpoint'

/**
 * The file at the endpoint (with its scheme), the rest of it byte for byte; a node without the file has none afterwards. An
 * image endpoint that is not set follows the other one by itself.
 */
export function renderCrictl(file: FileFound, endpoint: string, pasts: Pasts): readonly FileEdit[] | Refusal {
  return orRefusal(() => {
    const original = withoutKeys(file, pasts.get(file.path), [runtime, image])
    if (original === undefined) return []
    const after = [runtime, image].reduce((bytes, key) => {
      const text = textOf(file.path, bytes)
      const now = settingsOf(file.path, text)[key]
      const isUnset = now === undefined || now === null || now === ''
      const isMet = isUnset ? key === image : sameSocket(String(now), endpoint)
      return isMet ? bytes : Buffer.from(withKey(file.path, text, { key, value: endpoint }))
    }, original)
    return sameBytes(file.bytes, after) ? [] : [{ path: file.path, before: file.bytes, after, original }]
  })
}
