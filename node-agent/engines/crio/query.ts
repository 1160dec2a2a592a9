/** Asks CRI-O's own program what it makes of configuration files. It prints as comments what is as its defaults are. */
import { join } from 'node:path/posix'
import type { Host } from '../../host/host.ts'
import type { FileFound, Refusal } from '../engine.ts'
import { programTimeoutMs } from '../programs.ts'
import type { Tree } from '../toml/tree.ts'
import type { Service } from './files.ts'
import { merge, printedTree } from './settings.ts'

/** Which files are asked about; an empty name: none. */
export interface Files {
  readonly config: string
  readonly dropIns: string
}

/** Nothing on a host reads it, and it is gone after a boot. */
const folder = '/run/.drydock-staged-crio'

/**
 * The settings as they are to be, in a folder of their own, for as long as `ask` takes: CRI-O reads every file of its own
 * folder, whatever its name, and may start just now.
 */
export async function withStagedSettings<T>(
  host: Host,
  { configPath, dropIns }: Pick<Service, 'configPath' | 'dropIns'>,
  { files, ask }: { files: readonly FileFound[]; ask: (staged: Files) => Promise<T> },
): Promise<T> {
  const config = join(folder, 'crio.conf')
  const staged = files.flatMap(({ path, bytes }) => {
    if (bytes === undefined) return []
    if (path === configPath) return [{ path: config, bytes }]
    // Names keep the order of reading, also of files in folders below.
    return path.startsWith(`${dropIns}/`)
      ? [{ path: join(folder, 'crio.conf.d', path.slice(dropIns.length)), bytes }]
      : []
  })
  try {
    for (const { path, bytes } of staged) await host.replaceFile(path, bytes)
    const hasMain = staged.some(({ path }) => path === config)
    return await ask({ config: hasMain ? config : '', dropIns: join(folder, 'crio.conf.d') })
  } finally {
    await host.run(['rm', '-r', '-f', '--', folder], { timeoutMs: programTimeoutMs })
  }
}

/** The text of all settings without any file and option. They depend on the program's version and on the host. */
export function defaults(host: Host, { binary }: Pick<Service, 'binary'>): Promise<string | Refusal> {
  return config(host, [binary, '--config', '', '--config-dir', '', 'config', '--default'])
}

/** The effective configuration: defaults, files, and the options of the unit. */
export async function effective(host: Host, service: Service, files: Files): Promise<Tree | Refusal> {
  const { binary, flags } = service
  const options = flags.map(({ text }) => text)
  const argv = [binary, ...options, '--config', files.config, '--config-dir', files.dropIns, 'config']
  const [below, above] = [await defaults(host, service), await config(host, argv)]
  if (typeof below !== 'string') return below
  if (typeof above !== 'string') return above
  return merge(printedTree(below), printedTree(above))
}

async function config(host: Host, argv: readonly string[]): Promise<string | Refusal> {
  const { code, stdout, stderr } = await host.run(argv, { timeoutMs: programTimeoutMs })
  if (code === 0) return stdout
  const said =
    /msg="((?:[^"\\]|\\.)*)"[^\n]*\s*$/.exec(stderr)?.[1]?.replaceAll('\\"', '"') ?? stderr.trim().slice(-1000)
  return { reason: 'ConfigInvalid', message: `CRI-O does not accept its configuration: ${said}` }
}
