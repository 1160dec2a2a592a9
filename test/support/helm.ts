import { join, resolve } from 'node:path'
import { kubernetes } from '../cluster/binaries.ts'
import { Cache } from '../cluster/cache.ts'
import { must } from '../cluster/process.ts'
import { Progress } from '../cluster/progress.ts'
import { settingsFrom } from '../cluster/settings.ts'

/** Runs the helm that the test bed's cluster is installed with, in the root of the repository. Throws when it fails. */
export async function helm(...argv: readonly string[]): Promise<string> {
  const settings = settingsFrom(process.env)
  const { folder } = await kubernetes(new Cache(settings.cache, new Progress(() => {})), settings)
  return must([join(folder, 'helm'), ...argv], { cwd: resolve(import.meta.dirname, '../..'), timeout: 60_000 })
}
