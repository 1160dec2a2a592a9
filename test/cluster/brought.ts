import { join } from 'node:path'
import { exists, fileDigest } from './cache.ts'
import { PrerequisiteError } from './prerequisites.ts'
import type { Settings } from './settings.ts'

/** Of these programs, those that DRYDOCK_TESTBED_BIN does not have. */
export async function lacking({ binaries }: Settings, programs: readonly string[]): Promise<readonly string[]> {
  if (!binaries) return programs
  const present = await Promise.all(programs.map((name) => exists(join(binaries, name))))
  return programs.filter((_, index) => !present[index])
}

/** The path of each program in DRYDOCK_TESTBED_BIN. Throws PrerequisiteError, which names those that are missing. */
export async function brought(settings: Settings, programs: readonly string[], what: string): Promise<string[]> {
  const missing = await lacking(settings, programs)
  if (missing.length > 0) throw new PrerequisiteError(`${what} needs ${sentence(missing)}`)
  return programs.map((name) => join(settings.binaries!, name))
}

/** What to do about programs that are missing. */
export function sentence(missing: readonly string[]): string {
  return `${missing.join(', ')}, which no package has: put ${missing.length > 1 ? 'them' : 'it'} into a folder and name it in DRYDOCK_TESTBED_BIN`
}

/** What a recipe of the cache that uses them depends on. */
export async function digestsOf(paths: readonly string[]): Promise<string[]> {
  return Promise.all(paths.map((path) => fileDigest(path)))
}
