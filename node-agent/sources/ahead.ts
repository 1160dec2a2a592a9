/** The host as it will be with the packages that lie ready: detection and validation find their programs where these will lie. */
import { join } from 'node:path/posix'
import type { Staged } from '../engines/engine.ts'
import type { Host } from '../host/host.ts'

/** Only programs that the host has not: what it has says what it is now. Everything else is the host itself. */
export function ahead(host: Host, { root }: Pick<Staged, 'root'>): Host {
  if (root === undefined) return host
  const placeOf = async (path: string): Promise<string> => {
    if (await host.isExecutable(path)) return path
    const unpacked = join(root, path)
    return (await host.isExecutable(unpacked)) ? unpacked : path
  }
  return {
    ...host,
    isExecutable: async (path) => host.isExecutable(await placeOf(path)),
    run: async ([program = '', ...args], options) => {
      const place = program.startsWith('/') ? await placeOf(program) : program
      return host.run([place, ...args], options)
    },
  }
}
