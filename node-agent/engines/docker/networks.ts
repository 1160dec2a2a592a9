/** Files on which dockerd keeps the network namespaces of its containers mounted. */
import { join } from 'node:path/posix'
import type { Host } from '../../host/host.ts'
import { runFor } from '../image-programs.ts'
import { programTimeoutMs } from '../programs.ts'
import { dockerUnit } from './paths.ts'

const folder = '/run/docker/netns'

/** Of a dockerd that does not run; one that was killed is left as failed. */
const ended = ['inactive', 'failed']

/**
 * dockerd takes those of ended containers away once a minute, and when it stops; one that was killed never does, and some of
 * the files are left without a namespace on them.
 */
export async function sweep(host: Host): Promise<void> {
  const names = await host.listFolder(folder)
  if (names.length === 0 || !ended.includes((await host.unit(dockerUnit)).activeState)) return
  const [used, held] = [await usedNamespaces(host), await mounted(host)]
  for (const path of names.map((name) => join(folder, name))) {
    const namespace = held.get(path)
    if (namespace !== undefined && used.has(namespace)) continue
    if (namespace !== undefined) await runFor(host, ['umount', path], programTimeoutMs)
    await host.removeFile(path)
  }
}

/** The number of the namespace that each path holds. */
async function mounted(host: Host): Promise<ReadonlyMap<string, string>> {
  const argv = ['findmnt', '--raw', '--noheadings', '--types', 'nsfs', '--output', 'TARGET,SOURCE']
  const lines = (await runFor(host, argv, programTimeoutMs)).split('\n')
  const held = lines.map((line) => /^(\S+) nsfs\[net:\[(\d+)\]\]$/.exec(line) ?? [])
  return new Map(
    held.flatMap(([, path = '', inode = '']) => (path.startsWith(join(folder, '/')) ? [[path, inode]] : [])),
  )
}

/** Of processes: a container may outlive its dockerd. */
async function usedNamespaces(host: Host): Promise<ReadonlySet<string>> {
  const argv = ['lsns', '--raw', '--noheadings', '--type', 'net', '--output', 'NS,NPROCS']
  const lines = (await runFor(host, argv, programTimeoutMs)).split('\n')
  const rows = lines.map((line) => line.trim().split(/\s+/))
  return new Set(rows.flatMap(([inode = '', processes]) => (Number(processes) > 0 ? [inode] : [])))
}
