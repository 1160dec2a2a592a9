/** `npm run images`: writes the OCI archives of operator and agent, without a container engine, and the command line. */
import { readFile, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { Command, CommanderError, Option } from 'commander'
import { Cache } from '../test/cluster/cache.ts'
import { Progress } from '../test/cluster/progress.ts'
import { settingsFrom } from '../test/cluster/settings.ts'
import { architectures, hostArchitecture } from './architecture.ts'
import { buildImages } from './build.ts'
import { bundle, commandLine, nodeGuard } from './bundle.ts'

async function main(): Promise<void> {
  const root = resolve(import.meta.dirname, '..')
  const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as { version: string }
  const options = new Command('images')
    .description('Writes the OCI archives of operator and agent, without a container engine, and the command line.')
    .addOption(new Option('--arch <name>', 'machine to build for').choices(architectures).default(hostArchitecture()))
    .option('--out <folder>', 'where the archives go', join(root, 'dist/images'))
    .exitOverride()
    .parse()
    .opts<{ arch: (typeof architectures)[number]; out: string }>()
  const progress = new Progress((line) => console.error(line))
  const cache = new Cache(join(settingsFrom(process.env).cache, 'images'), progress)
  for (const file of await buildImages({ root, version, architecture: options.arch, out: options.out, cache })) {
    console.log(file)
  }
  const { code } = await bundle(commandLine, root, version)
  const program = join(root, 'dist/drydock.cjs')
  await writeFile(program, `#!/usr/bin/env node\n${nodeGuard}\n${code}`, { mode: 0o755 })
  console.log(program)
}

main().catch((error: Error) => {
  // Commander has printed what it has to say: help, or what is wrong.
  if (error instanceof CommanderError) {
    process.exitCode = error.exitCode === 0 ? 0 : 2
    return
  }
  console.error(`drydock images: ${error.message}`)
  process.exitCode = 1
})
