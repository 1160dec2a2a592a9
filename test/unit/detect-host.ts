/** A host in memory: files, units and what programs print. */
import type { Host, Ran, UnitState } from '../../node-agent/host/host.ts'

export interface HostOf {
  readonly files: Record<string, string>
  /** By the argument list joined with spaces. */
  readonly programs?: Record<string, string | Ran>
  readonly units?: Record<string, { execStart: string; files: readonly string[] }>
  /** By the path; undefined: it leads nowhere. */
  readonly links?: Record<string, string | undefined>
  readonly free?: number
  /** Files that are immutable. */
  readonly locked?: readonly string[]
  readonly refuseWrite?: Error
}

/** `written` is what remains of writes. */
export function hostOf(given: HostOf): Host & { readonly written: ReadonlyMap<string, Buffer> } {
  const written = new Map<string, Buffer>()
  const none: UnitState = {
    loadState: 'not-found',
    activeState: 'inactive',
    subState: 'dead',
    invocationId: '',
    mainPid: 0,
    execStart: '',
    enabled: '',
    files: [],
  }
  const programs = given.programs ?? {}
  const ran = (what: string | Ran): Ran => (typeof what === 'string' ? { code: 0, stdout: what, stderr: '' } : what)
  const units: Pick<Host, 'unit' | 'startUnit' | 'stopUnit' | 'setEnabled' | 'daemonReload'> = {
    unit: async (name) => ({ ...none, ...(given.units?.[name] ? { loadState: 'loaded', ...given.units[name] } : {}) }),
    startUnit: async () => {},
    stopUnit: async () => {},
    setEnabled: async () => {},
    daemonReload: async () => {},
  }
  return {
    written,
    readFile: async (path) =>
      written.get(path) ?? (given.files[path] === undefined ? undefined : Buffer.from(given.files[path])),
    listFolder: async (path) => {
      const below = Object.keys(given.files).filter((each) => each.startsWith(`${path}/`))
      return [...new Set(below.map((each) => each.slice(path.length + 1).split('/')[0]!))].sort()
    },
    realPath: async (path) => {
      if (given.links && path in given.links) return given.links[path]
      return Object.keys(given.files).some((each) => each === path || each.startsWith(`${path}/`)) ? path : undefined
    },
    isExecutable: async (path) => Object.keys(programs).some((each) => each.split(' ')[0] === path),
    isWritable: async (path) => !given.locked?.includes(path),
    mode: async () => 0o644,
    freeBytes: async () => given.free ?? 1e9,
    replaceFile: async (path, bytes) => {
      if (given.refuseWrite) throw given.refuseWrite
      written.set(path, bytes)
    },
    makeDurable: async () => {},
    discardUnfinished: async () => {},
    removeFolder: async () => {},
    removeFile: async (path) => void written.delete(path),
    run: async (argv) => {
      const what = programs[argv.join(' ')]
      if (what === undefined) throw new Error(`no program answers ${argv.join(' ')}`)
      return ran(what)
    },
    ...units,
  }
}
