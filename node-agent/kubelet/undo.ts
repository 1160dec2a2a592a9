/** Pure: what the kubelet's files are without Drydock. */
import type { FileFound, Past, Pasts } from '../engines/engine.ts'
import { sameBytes } from '../engines/refused.ts'
import { withoutKeys } from '../yaml/undo.ts'
import { type Flag, flagIn, type Source, variablesOf, withAddedFlag, withFlag } from './flags.ts'
import { type KubeletFound, withBytes, yamlFilesOf } from './kubelet.ts'
import { removedFlags } from './removed.ts'

const keys = ['cgroupDriver', 'containerRuntimeEndpoint', 'imageServiceEndpoint']

const flags: readonly Flag[] = [
  ...['cgroup-driver', 'container-runtime-endpoint', 'image-service-endpoint'].map((name) => ({ name })),
  ...removedFlags,
]

/** A file that nobody else has touched gets its bytes back; of another, what we set and what nobody has changed since. */
export function withoutDrydock(found: KubeletFound, pasts: Pasts): KubeletFound {
  const yaml = new Set(yamlFilesOf(found).map(({ path }) => path))
  const environment = new Set(found.environmentFiles.map(({ path }) => path))
  return withBytes(found, (file) => {
    const past = pasts.get(file.path)
    if (yaml.has(file.path)) return withoutKeys(file, past, keys)
    if (!past || file.bytes === undefined) return file.bytes
    if (sameBytes(file.bytes, past.written)) return past.original
    return withoutFlags(file, past, environment.has(file.path) ? 'EnvironmentFile' : 'Environment')
  })
}

function withoutFlags(file: FileFound, past: Past, source: Source): Buffer {
  return flags.reduce((bytes, flag) => {
    const now = { path: file.path, bytes }
    const at = (each: Buffer | undefined, name: string) =>
      valueIn({ path: file.path, bytes: each }, source, { name, flag })
    return variablesOf(now, source).reduce((edited, { name, line }) => {
      const former = at(past.original, name)
      const written = at(past.written, name)
      if (at(edited, name) !== written || written === former) return edited
      const place = { file: { ...now, bytes: edited }, source, line }
      if (written !== undefined) return withFlag(place, flag, former)
      return withAddedFlag(place, name, { flag, value: former! })
    }, bytes)
  }, file.bytes!)
}

function valueIn(file: FileFound, source: Source, { name, flag }: { name: string; flag: Flag }): string | undefined {
  return variablesOf(file, source)
    .filter((variable) => variable.name === name)
    .map(({ words }) => flagIn(words, flag))
    .findLast((value) => value !== undefined)
}
