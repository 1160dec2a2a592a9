/** Pure: the kubelet's files with a cgroup driver in them, everything else byte for byte. */
import type { CgroupDriver, FileEdit, FileFound, Past, Pasts, Refusal } from '../engines/engine.ts'
import { orRefusal, Refused, sameBytes, textOf } from '../engines/refused.ts'
import type { KubeletFound } from './kubelet.ts'
import { settingsOf, withKey } from './yaml.ts'

const key = 'cgroupDriver'
const flagPattern = /(--cgroup-driver(?:=|[ \t]+))(systemd|cgroupfs)\b/g

/** Without a driver: what the files say without Drydock. A flag wins over the config file, so both are set. */
export function renderKubelet(
  found: KubeletFound,
  driver: CgroupDriver | undefined,
  pasts: Pasts,
): readonly FileEdit[] | Refusal {
  return orRefusal(() => {
    if (found.refusal) throw new Refused(found.refusal.reason, found.refusal.message)
    const edits = [...environmentEdits(found, driver, pasts), ...configEdits(found, driver, pasts)]
    if (driver) checkOverrides(found, driver)
    return edits
  })
}

function configEdits({ configFile, flags }: KubeletFound, driver: CgroupDriver | undefined, pasts: Pasts): FileEdit[] {
  if (!configFile || configFile.bytes === undefined) {
    const isFlag = flags.some(({ name }) => name === 'cgroup-driver')
    if (driver && driver !== 'cgroupfs' && !isFlag) {
      throw new Refused(
        'KubeletNotConfigurable',
        `the kubelet has ${configFile ? `no file ${configFile.path}` : 'no --config file'} and no --cgroup-driver flag: give it a KubeletConfiguration file with "${key}: ${driver}"`,
      )
    }
    return []
  }
  const original = originalOf(configFile, pasts.get(configFile.path), undoKey)
  if (!driver) return editOf(configFile, original, original)
  const text = textOf(configFile.path, original)
  const now = settingsOf(configFile.path, text)[key] || 'cgroupfs'
  const after = now === driver ? original : Buffer.from(withKey(configFile.path, text, { key, value: driver }))
  return editOf(configFile, original, after)
}

function environmentEdits(found: KubeletFound, driver: CgroupDriver | undefined, pasts: Pasts): FileEdit[] {
  const flag = found.flags.find(({ name }) => name === 'cgroup-driver')
  return found.environmentFiles.flatMap((file) => {
    const original = originalOf(file, pasts.get(file.path), undoFlag)
    const isHere = driver !== undefined && flag?.environmentFile && flag.path === file.path
    return editOf(file, original, isHere ? withFlag({ ...file, bytes: original }, driver) : original)
  })
}

/** Places that decide over the files that Drydock edits. */
function checkOverrides({ flags, dropIns }: KubeletFound, driver: CgroupDriver): void {
  const flag = flags.find(({ name }) => name === 'cgroup-driver')
  if (flag && !flag.environmentFile && flag.value !== driver) {
    throw new Refused(
      'KubeletFlag',
      `${flag.path}:${flag.line} gives the kubelet --cgroup-driver=${flag.value}, in a unit file that Drydock does not edit: remove that flag there and run "systemctl daemon-reload"`,
    )
  }
  for (const file of dropIns) {
    const value = settingsOf(file.path, textOf(file.path, file.bytes))[key]
    if (flag || value === undefined || value === driver) continue
    throw new Refused(
      'KubeletDropIn',
      `${file.path} sets ${key} to ${value} and wins over the kubelet's config file: remove ${key} from it`,
    )
  }
}

function withFlag(file: FileFound, driver: CgroupDriver): Buffer {
  const text = textOf(file.path, file.bytes)
  const places = [...text.matchAll(flagPattern)].filter(({ index }) => !/^\s*#/.test(lineAt(text, index)))
  const [place] = places
  if (places.length !== 1 || !place) {
    throw new Refused(
      'KubeletFlag',
      `${file.path} gives the kubelet --cgroup-driver in a way that Drydock does not understand: remove that flag; the kubelet's config file has the setting`,
    )
  }
  const at = place.index + place[1]!.length
  return Buffer.from(text.slice(0, at) + driver + text.slice(at + place[2]!.length))
}

function lineAt(text: string, at: number): string {
  return text.slice(text.lastIndexOf('\n', at) + 1, at)
}

/** What the file is without Drydock: `undo` takes our value out of a file that somebody else has edited since. */
function originalOf(
  file: FileFound,
  past: Past | undefined,
  undo: (file: FileFound, past: Past) => Buffer,
): Buffer | undefined {
  if (!past || file.bytes === undefined) return file.bytes
  return sameBytes(file.bytes, past.written) ? past.original : undo(file, past)
}

function undoKey(file: FileFound, past: Past): Buffer {
  const [now, written, original] = [file.bytes, past.written, past.original].map(
    (bytes) => settingsOf(file.path, textOf(file.path, bytes))[key],
  )
  if (now !== written || written === original) return file.bytes!
  const value = typeof original === 'string' ? original : undefined
  return Buffer.from(withKey(file.path, textOf(file.path, file.bytes), { key, value }))
}

function undoFlag(file: FileFound, past: Past): Buffer {
  const [now, written, original] = [file.bytes, past.written, past.original].map((bytes) =>
    [...textOf(file.path, bytes).matchAll(flagPattern)].map(([, , value]) => value).join(),
  )
  if (now !== written || (original !== 'systemd' && original !== 'cgroupfs')) return file.bytes!
  return now === original ? file.bytes! : withFlag(file, original)
}

function editOf(file: FileFound, original: Buffer | undefined, after: Buffer | undefined): FileEdit[] {
  return sameBytes(file.bytes, after) ? [] : [{ path: file.path, before: file.bytes, after, original }]
}
