/** Units through systemctl: explicit starts and stops, each with a deadline and a check of what became of it. */
import { join } from 'node:path/posix'
import type { Disk } from './disk.ts'
import { UnitError } from './errors.ts'
import type { Ran, UnitState } from './host.ts'

type Run = (argv: readonly string[], options: { timeoutMs: number }) => Promise<Ran>

const properties = [
  'LoadState',
  'ActiveState',
  'SubState',
  'InvocationID',
  'MainPID',
  'ExecStart',
  'FragmentPath',
  'DropInPaths',
  'UnitFileState',
]

/** Where `systemctl enable` puts its links. */
const unitFolder = '/etc/systemd/system'

/** A node's kubelet and engines stop in seconds; a container that does not end may hold a stop for systemd's 90 s. */
const stopTimeoutMs = 120_000

/** `systemctl show` prints `KEY=value`, one a line. */
export function parseUnit(shown: string): UnitState {
  const values = new Map<string, string>()
  for (const line of shown.split('\n')) {
    const equals = line.indexOf('=')
    if (equals > 0) values.set(line.slice(0, equals), line.slice(equals + 1))
  }
  const text = (key: string): string => values.get(key) ?? ''
  return {
    loadState: text('LoadState'),
    activeState: text('ActiveState'),
    subState: text('SubState'),
    invocationId: text('InvocationID'),
    mainPid: Number(text('MainPID') || 0),
    enabled: text('UnitFileState'),
    execStart: /(?:^|[{ ;])path=([^ ;]+)/.exec(text('ExecStart'))?.[1] ?? '',
    files: [text('FragmentPath'), ...text('DropInPaths').split(' ')].filter((path) => path !== ''),
  }
}

export interface Units {
  unit(name: string): Promise<UnitState>
  /** What a unit runs before its own program may hold a start for as long as it likes. */
  startUnit(name: string, timeoutMs: number): Promise<void>
  stopUnit(name: string): Promise<void>
  setEnabled(names: readonly string[], enabled: boolean): Promise<void>
  daemonReload(): Promise<void>
}

export function systemdUnits(run: Run, disk: Pick<Disk, 'list' | 'sync'>): Units {
  const systemctl = async (timeoutMs: number, ...args: string[]): Promise<Ran> =>
    run(['systemctl', '--no-ask-password', '--no-pager', ...args], { timeoutMs })

  const unit = async (name: string): Promise<UnitState> => {
    const shown = await systemctl(10_000, 'show', `--property=${properties.join(',')}`, '--', name)
    if (shown.code !== 0) throw new UnitError(`systemctl cannot show ${name}: ${shown.stderr.trim()}`)
    return parseUnit(shown.stdout)
  }

  const job = async (verb: 'start' | 'stop', name: string, timeoutMs: number): Promise<void> => {
    const ran = await systemctl(timeoutMs, verb, '--', name).catch((cause: Error) => {
      throw new UnitError(`${cause.message}: see journalctl -u ${name}.`, { cause })
    })
    const said = ran.stderr.trim().replaceAll(/\s+/g, ' ')
    if (ran.code !== 0) throw new UnitError(`systemctl ${verb} ${name} failed: ${said}`)
  }

  const managed = async (verb: 'enable' | 'disable' | 'daemon-reload', ...names: string[]): Promise<void> => {
    const ran = await systemctl(60_000, verb, ...(names.length > 0 ? ['--', ...names] : []))
    const said = ran.stderr.trim().replaceAll(/\s+/g, ' ')
    if (ran.code !== 0) throw new UnitError(`systemctl ${verb} ${names.join(' ')} failed: ${said}`)
  }

  return {
    unit,
    setEnabled: async (names, enabled) => {
      if (names.length > 0) await managed(enabled ? 'enable' : 'disable', ...names)
      // systemctl makes and removes links without fsync: a power cut would bring the other state back.
      for (const name of await disk.list(unitFolder)) {
        if (/\.(wants|requires|upholds)$/.test(name)) await disk.sync(join(unitFolder, name))
      }
      await disk.sync(unitFolder)
    },
    daemonReload: () => managed('daemon-reload'),
    /** A start of a unit that is active already starts nothing: the caller stops it first. */
    startUnit: async (name, timeoutMs) => {
      // Earlier failures count against the unit's start limit, which would refuse this start. Fails when nothing failed.
      await systemctl(10_000, 'reset-failed', '--', name)
      await job('start', name, timeoutMs)
      const state = await unit(name)
      if (state.activeState !== 'active') {
        throw new UnitError(
          `${name} was started but is ${state.activeState} (${state.subState}): see journalctl -u ${name}.`,
        )
      }
    },
    stopUnit: async (name) => {
      await job('stop', name, stopTimeoutMs)
      const state = await unit(name)
      if (state.activeState !== 'inactive' && state.activeState !== 'failed') {
        throw new UnitError(`${name} was stopped but is ${state.activeState} (${state.subState}).`)
      }
      // One that was killed before, or did not end politely: whoever watches for failed units would be called for nothing.
      if (state.activeState === 'failed') await systemctl(10_000, 'reset-failed', '--', name)
    },
  }
}
