/** The host's systemctl, run below the host's root. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

export interface UnitStanding {
  /** `enabled`, `static`, `disabled`, ... */
  readonly enabled: string
  /** `active`, `inactive`, `failed`, ... */
  readonly active: string
  /** Whether its files changed since systemd read them. */
  readonly isStale: boolean
}

export interface Systemctl {
  standing(unit: string): Promise<UnitStanding>
  reload(): Promise<void>
  enable(unit: string): Promise<void>
  start(unit: string): Promise<void>
  stop(unit: string): Promise<void>
}

/** The engine is given 30 s to end by its unit; everything else answers at once. */
const timeoutMs = 60_000

export function hostSystemctl(root: string): Systemctl {
  const systemctl = async (...args: readonly string[]): Promise<string> => {
    const argv = [root, 'systemctl', '--no-ask-password', '--no-pager', ...args]
    // systemctl takes our view of the host's root for a folder that nobody booted, and would do nothing, successfully.
    const env = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', SYSTEMD_IGNORE_CHROOT: '1' }
    try {
      const { stdout } = await promisify(execFile)('/usr/sbin/chroot', argv, { timeout: timeoutMs, env })
      return stdout
    } catch (error) {
      const { stderr, message } = error as Error & { stderr?: string }
      throw new Error(`systemctl ${args.join(' ')} failed on the host: ${stderr?.trim() || message}`, { cause: error })
    }
  }
  const act = async (...args: readonly string[]): Promise<void> => {
    await systemctl(...args)
  }
  return {
    standing: async (unit) => {
      const shown = await systemctl('show', '--property=UnitFileState,ActiveState,NeedDaemonReload', '--', unit)
      const values = new Map(shown.split('\n').map((line) => line.split('=', 2) as [string, string]))
      return {
        enabled: values.get('UnitFileState') ?? '',
        active: values.get('ActiveState') ?? '',
        isStale: values.get('NeedDaemonReload') === 'yes',
      }
    },
    reload: () => act('daemon-reload'),
    enable: (unit) => act('enable', '--', unit),
    start: (unit) => act('start', '--', unit),
    stop: (unit) => act('stop', '--', unit),
  }
}
