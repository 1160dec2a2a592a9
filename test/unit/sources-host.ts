/** This machine, whose files below /opt/drydock, /etc and /run are in a folder of the test. */
import { join } from 'node:path'
import type { Host, UnitState } from '../../node-agent/host/host.ts'
import type { Staging } from '../../node-agent/host/staging.ts'
import { systemHost } from '../../node-agent/host/system-host.ts'
import { systemStaging } from '../../node-agent/host/system-staging.ts'

const own = /^\/(opt\/drydock|etc|run)(?=\/|$)/

const noUnit: UnitState = {
  loadState: 'not-found',
  activeState: 'inactive',
  subState: 'dead',
  invocationId: '',
  mainPid: 0,
  execStart: '',
  enabled: '',
  files: [],
}

export interface Rooted {
  readonly host: Host
  readonly staging: Staging
  /** The path outside of the test's root. */
  real(path: string): string
}

interface Given {
  readonly units?: Readonly<Record<string, Partial<UnitState>>>
  readonly download?: Staging['download']
}

export function rooted(root: string, { units = {}, download }: Given = {}): Rooted {
  const host = systemHost()
  const staging = systemStaging()
  const real = (path: string): string => (own.test(path) ? join(root, path) : path)
  const fake = (path: string | undefined): string | undefined =>
    path?.startsWith(`${root}/`) ? path.slice(root.length) : path
  return {
    real,
    host: {
      ...host,
      readFile: (path) => host.readFile(real(path)),
      listFolder: (path) => host.listFolder(real(path)),
      realPath: async (path) => fake(await host.realPath(real(path))),
      isExecutable: (path) => host.isExecutable(real(path)),
      isWritable: (path) => host.isWritable(real(path)),
      mode: (path) => host.mode(real(path)),
      freeBytes: (path) => host.freeBytes(real(path)),
      replaceFile: (path, bytes, mode) => host.replaceFile(real(path), bytes, mode),
      removeFile: (path) => host.removeFile(real(path)),
      makeDurable: (path) => host.makeDurable(real(path)),
      run: (argv, options) => host.run(argv.map(real), options),
      unit: async (name) => ({ ...noUnit, ...units[name] }),
      daemonReload: async () => {},
    },
    staging: {
      makeFolder: (path) => staging.makeFolder(real(path)),
      moveFolder: (from, to) => staging.moveFolder(real(from), real(to)),
      removeFolder: (path) => staging.removeFolder(real(path)),
      download: (wanted) => (download ?? staging.download)({ ...wanted, path: real(wanted.path) }),
    },
  }
}

/** Every call after the given number of them fails, as for a process that is no more. */
export function dying({ host, staging, real }: Rooted, calls: number): Rooted & { readonly isDead: () => boolean } {
  let left = calls
  const until = <T extends object>(parts: T): T =>
    Object.fromEntries(
      Object.entries(parts).map(([name, act]) => [
        name,
        async (...args: unknown[]) => {
          if (left-- <= 0) throw new Error('killed')
          return (act as (...args: unknown[]) => unknown)(...args)
        },
      ]),
    ) as T
  return { host: until(host), staging: until(staging), real, isDead: () => left < 0 }
}
