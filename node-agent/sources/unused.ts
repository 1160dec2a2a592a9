/** Which of the folders with programs nobody needs any more. */
import { join } from 'node:path/posix'
import type { Engine } from '../engines/engine.ts'
import type { Host } from '../host/host.ts'
import type { Staging } from '../host/staging.ts'
import { programsFolder } from './folders.ts'

/** Pure: names of folders that occur in none of the texts; an unfinished one is needed by nobody. */
export function unusedFolders(names: readonly string[], texts: readonly string[]): readonly string[] {
  return names.filter((name) => name.startsWith('.') || !texts.some((text) => isNamed(text, name)))
}

/** Alone, as a folder of CNI plugins is, or with a path in it; not as the beginning of another name. */
function isNamed(text: string, name: string): boolean {
  const [, ...after] = text.split(`${programsFolder}/${name}`)
  return after.some((rest) => !/^[\w.-]/.test(rest))
}

/** Where containerd's shims keep which OCI runtime a container was made with, below a folder for each namespace and container. */
const bundles = '/run/containerd/io.containerd.runtime.v2.task'

type Asked = Pick<Engine, 'detect' | 'layout'>

/**
 * To be called when no change is open. `texts`: what Drydock's state and the files that it manages say. A container is
 * stopped and entered by the OCI runtime that made it, so that folders which running processes and containers name stay
 * until those are gone. So do those that an engine of the host names in its configuration: the state may be younger than
 * the programs, on a node that kept them when Drydock was taken off it. `engines` are asked only when something could go,
 * because that runs programs. Tells the names of what was removed; throws, with nothing removed, when an engine cannot be asked.
 */
export async function removeUnused(
  { host, staging }: { readonly host: Host; readonly staging: Staging },
  texts: readonly string[],
  engines: () => Promise<readonly Asked[]>,
): Promise<readonly string[]> {
  const names = await host.listFolder(programsFolder)
  const candidates = unusedFolders(names, texts)
  if (candidates.length === 0) return []
  const unnamed = unusedFolders(candidates, [...(await commands(host)), ...(await containers(host))])
  if (unnamed.length === 0) return []
  const unused = unusedFolders(unnamed, await configurations(host, await engines()))
  for (const name of unused) await staging.removeFolder(join(programsFolder, name))
  return unused
}

/** Unit files and configuration files of the engines, whoever wrote them. */
async function configurations(host: Host, engines: readonly Asked[]): Promise<readonly string[]> {
  const texts: string[] = []
  for (const { detect, layout } of engines) {
    const { files } = await host.unit(layout.unit)
    const found = await detect(host)
    for (const path of files) texts.push((await host.readFile(path))?.toString() ?? '')
    for (const { bytes } of found?.configFiles ?? []) texts.push(bytes?.toString() ?? '')
  }
  return texts
}

/** Shims name their own program, CRI-O's conmon also the OCI runtime. */
async function commands(host: Host): Promise<readonly string[]> {
  const texts: string[] = []
  for (const name of await host.listFolder('/proc')) {
    if (!/^\d+$/.test(name)) continue
    // It may end meanwhile.
    const command = await host.readFile(`/proc/${name}/cmdline`).catch(() => undefined)
    texts.push(command?.toString() ?? '')
  }
  return texts
}

async function containers(host: Host): Promise<readonly string[]> {
  const texts: string[] = []
  for (const namespace of await host.listFolder(bundles)) {
    for (const id of await host.listFolder(join(bundles, namespace))) {
      texts.push((await host.readFile(join(bundles, namespace, id, 'options.json')))?.toString() ?? '')
    }
  }
  return texts
}
