/** Pure: takes the networks that engines bring for themselves out of the way of the cluster's. */
import { basename } from 'node:path/posix'
import type { FileEdit, FileFound, Pasts } from '../engines/engine.ts'
import { sameBytes } from '../engines/refused.ts'
import { isLoaded, pluginTypes } from './network.ts'

/** Files that engines and their tools install for a node without a cluster. */
const ofEngines =
  /^(?:\d+-crio-bridge|\d+-crio-ipv[46]-bridge|\d+-podman-bridge|\d+-podman|10-containerd-net)\.conf(?:list)?$/

/** The addresses that they come with, the same on every node: no network of a cluster. A file with others is somebody's own. */
const theirSubnets = /"10\.8[58]\.0\.0\/16"/

/**
 * Renames such a file to "*.disabled" when an engine that takes the first file by name would take it before the cluster's.
 * Without a network of the cluster, nothing changes: then that file is what the pods have. `files` are all of the folder.
 */
export function renderCni(files: readonly FileFound[], pasts: Pasts): readonly FileEdit[] {
  const networks = files.filter(isNetwork).sort((a, b) => (a.path < b.path ? -1 : 1))
  const cluster = networks.findIndex(
    ({ path, bytes }) => !ofEngines.test(basename(path)) || !theirSubnets.test(`${bytes}`),
  )
  return networks.slice(0, Math.max(0, cluster)).flatMap((file) => {
    const disabled = disabledFor(file, files)
    // Nobody but root has a use for it, and CIS asks for no more on any file of the folder.
    return [edit(file, undefined, pasts), ...(disabled ? [{ ...edit(disabled, file.bytes, pasts), mode: 0o600 }] : [])]
  })
}

function edit({ path, bytes }: FileFound, after: Buffer | undefined, pasts: Pasts): FileEdit {
  const past = pasts.get(path)
  return { path, before: bytes, after, original: past && sameBytes(bytes, past.written) ? past.original : bytes }
}

/** Where the bytes go; undefined when they are there already. What others have put there stays. */
function disabledFor({ path, bytes }: FileFound, files: readonly FileFound[]): FileFound | undefined {
  const names = [`${path}.disabled`, `${path}.drydock.disabled`]
  const there = names.map((name) => files.find((file) => file.path === name))
  if (there.some((file) => file && sameBytes(file.bytes, bytes))) return undefined
  const free = there.findIndex((file) => !file)
  return free < 0 ? there[1] : { path: names[free]!, bytes: undefined }
}

/** Whether an engine would load the file: one that gives pods more than their loopback. */
function isNetwork({ path, bytes }: FileFound): boolean {
  if (!isLoaded(path)) return false
  const types = pluginTypes(bytes)
  return types.some((type) => type !== 'loopback')
}
