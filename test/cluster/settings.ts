import { resolve } from 'node:path'

export interface Settings {
  /** Absolute folder for what is costly to make, and for the state of running clusters. */
  cache: string
  /** Absolute folder whose programs are used in place of a build. */
  binaries?: string
}

/** Reads DRYDOCK_TESTBED_CACHE and DRYDOCK_TESTBED_BIN. */
export function settingsFrom(env: NodeJS.ProcessEnv): Settings {
  const binaries = env['DRYDOCK_TESTBED_BIN']
  return {
    cache: resolve(env['DRYDOCK_TESTBED_CACHE'] || '/var/cache/drydock-testbed'),
    ...(binaries ? { binaries: resolve(binaries) } : {}),
  }
}
