/** Pure: sets single flags and keys, each in the place where it is written. */
import type { Word } from '../detect/unit-file.ts'
import type { FileFound } from '../engines/engine.ts'
import { Refused, textOf } from '../engines/refused.ts'
import { settingsOf, withKey } from '../yaml/edit.ts'
import { type Flag, type Source, variablesOf, withAddedFlag, withFlag } from './flags.ts'
import { filesOf, type KubeletFound, withFile, yamlFilesOf } from './kubelet.ts'
import { flagged } from './settings.ts'

/** Variables that kubeadm's unit passes to the kubelet; the first is kubeadm's own. */
const variables = ['KUBELET_KUBEADM_ARGS', 'KUBELET_EXTRA_ARGS']

export interface Wanted {
  /** Undefined: the flag or key goes. */
  readonly value: string | undefined
  /** Whether a value that is there may stay. */
  isMet(value: string): boolean
}

/** Every place that gives the kubelet the flag; a place that another one overrules may be one that Drydock does not edit. */
export function setFlag(found: KubeletFound, flag: Flag, { value, isMet }: Wanted): KubeletFound {
  const places = flagged(found, flag)
  return places.reduce((kubelet, place, at) => {
    if (isMet(place.value)) return kubelet
    const source = editableSource(place.word)
    if (source) return withFlagAt(kubelet, { ...place.word, source }, { flag, value })
    if (value === undefined || at === places.length - 1)
      throw notEditable(place.word, flag, { was: place.value, value })
    return kubelet
  }, found)
}

function withFlagAt(
  found: KubeletFound,
  { path, line, source }: { path: string; line: number; source: Source },
  { flag, value }: { flag: Flag; value: string | undefined },
): KubeletFound {
  return withFile(found, path, withFlag({ file: fileAt(found, path), source, line }, flag, value))
}

/** Adds a flag that nothing gives the kubelet yet; undefined when no environment file has a place for it. */
export function addFlag(found: KubeletFound, name: string, value: string): KubeletFound | undefined {
  for (const variable of variables) {
    for (const file of found.environmentFiles) {
      const place = variablesOf(file, 'EnvironmentFile').findLast((each) => each.name === variable)
      if (!place) continue
      const line = { file, source: 'EnvironmentFile', line: place.line } as const
      const added = withFile(found, file.path, withAddedFlag(line, variable, { flag: { name }, value }))
      if (flagged(added, { name }).length > 0) return added
    }
  }
  return undefined
}

/** A key in each of the kubelet's YAML files that has a value for it. */
export function setPresentKey(found: KubeletFound, key: string, { value, isMet }: Wanted): KubeletFound {
  return yamlFilesOf(found).reduce((kubelet, file) => {
    const now = keyIn(file, key)
    return now === undefined || isMet(now) ? kubelet : setKey(kubelet, file, { key, value })
  }, found)
}

export function setKey(
  found: KubeletFound,
  file: FileFound,
  change: { key: string; value: string | undefined },
): KubeletFound {
  return withFile(found, file.path, Buffer.from(withKey(file.path, textOf(file.path, file.bytes), change)))
}

/** Undefined when the file has no value for the key. */
export function keyIn(file: FileFound, key: string): string | undefined {
  const value = settingsOf(file.path, textOf(file.path, file.bytes))[key]
  return value === undefined || value === null || value === '' ? undefined : String(value)
}

/** Environment files, and the administrator's own unit files: those below /usr belong to packages, whose next version replaces them. */
function editableSource({ source, path }: Word): Source | undefined {
  if (source === 'EnvironmentFile') return source
  return source === 'Environment' && path.startsWith('/etc/') ? source : undefined
}

function fileAt(found: KubeletFound, path: string): FileFound {
  return filesOf(found).find((file) => file.path === path)!
}

function notEditable(
  { path, line }: Word,
  { name }: Flag,
  { was, value }: { was: string; value: string | undefined },
): Refused {
  const wanted = value === undefined ? 'which this node must not have' : `where ${value} is needed`
  return new Refused(
    'KubeletFlag',
    `${path}:${line} gives the kubelet --${name}=${was}, ${wanted}, in a unit file that Drydock does not edit: remove that flag there and run "systemctl daemon-reload"`,
  )
}
