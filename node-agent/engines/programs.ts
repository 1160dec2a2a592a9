/** Programs of engines on a host: where they are, and what they say they are. */
import { join } from 'node:path/posix'
import type { Host } from '../host/host.ts'
import type { OciRuntime } from './engine.ts'

/** For a program that prints a version or a configuration: milliseconds on an idle node, seconds on one that swaps. */
export const programTimeoutMs = 20_000

/** What systemd gives a unit without a PATH of its own. */
export const defaultSearchPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

/** A name is looked up in the folders, in their order; a path is looked at as it is. */
export async function find(host: Host, name: string, folders: readonly string[]): Promise<string | undefined> {
  const candidates = name.includes('/') ? [name] : folders.map((folder) => join(folder, name))
  for (const path of candidates) if (await host.isExecutable(path)) return path
  return undefined
}

/** Asks a program that claims to be an OCI runtime for its name and version; undefined when it does not run. */
export async function ociRuntime(host: Host, path: string): Promise<OciRuntime | undefined> {
  const ran = await host.run([path, '--version'], { timeoutMs: programTimeoutMs }).catch(() => undefined)
  if (ran?.code !== 0) return undefined
  const [, name, version] = /^(\S+) version (\S+)/m.exec(ran.stdout) ?? []
  return { path, kind: name === 'runc' || name === 'crun' ? name : 'other', version }
}
