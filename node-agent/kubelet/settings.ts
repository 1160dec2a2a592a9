/** Pure: what the kubelet's flags and files say together. */
import { serviceOf, type Word } from '../detect/unit-file.ts'
import type { CgroupDriver } from '../engines/engine.ts'
import { textOf } from '../engines/refused.ts'
import { type Settings, settingsOf } from '../yaml/edit.ts'
import { type Flag, type Occurrence, occurrencesOf } from './flags.ts'
import { type KubeletFiles, type KubeletFound, minorOf } from './kubelet.ts'

/** Where a kubelet looks for its engine when nothing tells it. */
const remoteEndpoint = 'unix:///run/containerd/containerd.sock'
/** Up to 1.23: Docker, inside the kubelet itself. */
const dockershimEndpoint = 'unix:///var/run/dockershim.sock'

export function commandOf(files: KubeletFiles): readonly Word[] {
  return serviceOf(files.unitFiles, files.environmentFiles).command
}

export function flagged(files: KubeletFiles, flag: Flag): Occurrence[] {
  return occurrencesOf(commandOf(files), flag)
}

/** The flag's value that counts: the last one. */
export function flagValue(files: KubeletFiles, name: string): string | undefined {
  return flagged(files, { name }).at(-1)?.value
}

/** Later files win. */
export function fileSettings({ configFile, dropIns }: KubeletFiles): Settings {
  const all = [...(configFile ? [configFile] : []), ...dropIns]
  return Object.assign({}, ...all.map(({ path, bytes }) => settingsOf(path, textOf(path, bytes)))) as Settings
}

export function driverIn(value: unknown): CgroupDriver | undefined {
  return value === 'systemd' || value === 'cgroupfs' ? value : undefined
}

export function effectiveEndpoint(found: Pick<KubeletFound, 'version'> & KubeletFiles): string {
  const named = flagValue(found, 'container-runtime-endpoint')
  return (
    named ||
    textIn(fileSettings(found)['containerRuntimeEndpoint']) ||
    (hasDockershim(found) ? dockershimEndpoint : remoteEndpoint)
  )
}

export function hasDockershim(found: Pick<KubeletFound, 'version'>): boolean {
  return (minorOf(found) ?? Infinity) <= 23
}

/** The endpoint with its scheme: old kubelets take a bare path. */
export function withScheme(endpoint: string): string {
  return endpoint.includes('://') ? endpoint : `unix://${endpoint}`
}

/** Whether two endpoints are one socket: the scheme may be missing in old files, and /var/run leads to /run. */
export function sameSocket(a: string, b: string): boolean {
  return socketPath(a) === socketPath(b)
}

function socketPath(endpoint: string): string {
  return endpoint
    .replace(/^unix:(?:\/\/)?/, '')
    .replaceAll(/\/{2,}/g, '/')
    .replace(/^\/var\/run\//, '/run/')
}

export function textIn(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined
}
