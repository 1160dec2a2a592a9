/** Asks CRI-O's own program about the edited files, and looks at the programs that it would only miss when it starts. */
import { basename, dirname, join } from 'node:path/posix'
import type { Host } from '../../host/host.ts'
import { type FileEdit, type FileFound, type Found, isRefusal, type Refusal, type Target } from '../engine.ts'
import { find, ociRuntime, programTimeoutMs } from '../programs.ts'
import { refusedBySpecification } from '../specification.ts'
import { withStaged } from '../staged.ts'
import { type Path, type Tree, tableAt, valueAt } from '../toml/tree.ts'
import { programOf } from './detect.ts'
import { type Service, serviceOf } from './files.ts'
import { cgroupManager, defaultRuntime, monitor, pauseImage, pinns, runtimes } from './paths.ts'
import { effective, type Files, withStagedSettings } from './query.ts'
import { defaultHandlerOf, handlersOf, textAt } from './settings.ts'

export async function validate(
  host: Host,
  found: Found,
  edits: readonly FileEdit[],
  target: Target | undefined,
): Promise<Refusal | undefined> {
  const service = await serviceFor(host, found)
  const check = (files: Files): Promise<Refusal | undefined> => checkFiles(host, service, files, target)
  const { configPath, dropIns } = service
  const bytesOf = ({ path, bytes }: FileFound): Buffer | undefined => {
    const edit = edits.find((each) => each.path === path)
    return edit ? edit.after : bytes
  }
  const files = found.configFiles.map((file) => ({ path: file.path, bytes: bytesOf(file) }))
  if (edits.length === 0) {
    const hasMain = files.some(({ path, bytes }) => path === configPath && bytes !== undefined)
    return check({ config: hasMain ? configPath : '', dropIns })
  }
  const ask = (): Promise<Refusal | undefined> => withStagedSettings(host, service, { files, ask: check })
  const own = edits.find(({ path }) => path === files[0]?.path)
  // Whether the file can be written is found out one folder up: CRI-O reads every file of its own folder.
  return own ? withStaged(host, { ...own, path: join(dirname(dropIns), basename(own.path)) }, ask) : ask()
}

interface Checked extends Service {
  readonly version: string | undefined
}

/** Options of the unit stay when another program takes over. */
async function serviceFor(host: Host, { configFiles, observed, searchPath }: Found): Promise<Checked> {
  const live = await serviceOf(host, undefined)
  return {
    version: observed.engine?.version,
    binary: observed.engine?.binary ?? 'crio',
    flags: live?.flags ?? [],
    configPath: observed.engine?.configPath ?? '',
    dropIns: dirname(configFiles[0].path),
    searchPath,
  }
}

async function checkFiles(
  host: Host,
  service: Checked,
  files: Files,
  target: Target | undefined,
): Promise<Refusal | undefined> {
  const tree = await effective(host, service, files)
  if (isRefusal(tree)) return tree as Refusal
  const wrong = checkWanted(tree, target)
  if (wrong) return mismatch(service, wrong)
  const names = new Set([defaultHandlerOf(tree), ...(target?.handlers ?? []).map(({ name }) => name)])
  for (const handler of handlersOf(tree).filter(([name]) => names.has(name))) {
    const missing = await checkHandler(host, service, { handler, tree })
    if (missing) return missing
  }
  return checkProgram(host, service, { what: 'pinns', named: textAt(tree, pinns) })
}

interface Wrong {
  readonly what: string
  /** The option of the command line that decides instead of the files. */
  readonly flag?: string
}

function checkWanted(tree: Tree, target: Target | undefined): Wrong | undefined {
  const wanted: readonly [Path, unknown, string, string?][] = [
    [
      defaultRuntime,
      target?.handlers?.find((handler) => handler.default)?.name,
      'default handler',
      '--default-runtime',
    ],
    [cgroupManager, target?.cgroupDriver, 'cgroup manager', '--cgroup-manager'],
    [pauseImage, target?.sandboxImage, 'pause image', '--pause-image'],
    ...(target?.handlers ?? []).map(({ name, binary }): [Path, unknown, string] => [
      [...runtimes, name, 'runtime_path'],
      binary,
      `program of handler "${name}"`,
    ]),
  ]
  for (const [path, value, what, flag] of wanted) {
    const now = valueAt(tree, path)
    if (value === undefined || now === value) continue
    return { what: `its ${what} is ${JSON.stringify(now)}, not "${value}"`, ...(flag ? { flag } : {}) }
  }
  const absent = target?.handlers?.find(({ name }) => Object.keys(tableAt(tree, [...runtimes, name])).length === 0)
  return absent && { what: `it has no handler "${absent.name}"` }
}

function mismatch({ flags }: Service, { what, flag }: Wrong): Refusal {
  const word =
    flag === undefined ? undefined : flags.findLast(({ text }) => text === flag || text.startsWith(`${flag}=`))
  const remedy = word
    ? `${word.path}:${word.line} gives CRI-O the option ${flag}, which wins over its files: remove it there`
    : 'see "crio config" and the options of its unit'
  return { reason: 'ConfigNotEffective', message: `CRI-O reads the edited configuration, but ${what}: ${remedy}` }
}

/** CRI-O drops a handler whose program is not there with a line in its log, and does not start when it is the default one. */
async function checkHandler(
  host: Host,
  service: Checked,
  { handler, tree }: { handler: [string, Tree]; tree: Tree },
): Promise<Refusal | undefined> {
  const [name, table] = handler
  const program = await programOf(host, handler, service.searchPath)
  if (program === undefined) {
    const what = textAt(table, ['runtime_path']) ?? name
    return notInstalled(service, { what, by: `handler "${name}": `, remedy: 'change that handler in the profile' })
  }
  if (table['runtime_type'] === 'vm') return undefined
  const runtime = await ociRuntime(host, program)
  if (!runtime) {
    const message = `handler "${name}": "${program} --version" does not run on this node; repair it, or name another binary`
    return { reason: 'RuntimeBroken', message }
  }
  const specification = (): Promise<string | undefined> => specificationOf(host, service.binary)
  const refusal = await refusedBySpecification(host, {
    handler: name,
    runtime,
    engine: `CRI-O ${service.version ?? ''}`.trim(),
    specification,
  })
  if (refusal) return refusal
  const isPod = table['runtime_type'] === 'pod'
  const named = (isPod ? undefined : textAt(tree, monitor)) ?? textAt(table, ['monitor_path'])
  return checkProgram(host, service, { what: isPod ? 'conmonrs' : 'conmon', named })
}

/** CRI-O does not tell it; a Go program names the modules that it was built from. */
async function specificationOf(host: Host, binary: string): Promise<string | undefined> {
  const pattern = 'github.com/opencontainers/runtime-spec[[:space:]]v[0-9.]+'
  const argv = ['grep', '--text', '--only-matching', '--max-count=1', '--extended-regexp', pattern, binary]
  const ran = await host.run(argv, { timeoutMs: programTimeoutMs }).catch(() => undefined)
  return /\sv([0-9.]+)/.exec(ran?.stdout ?? '')?.[1]
}

async function checkProgram(
  host: Host,
  service: Service,
  { what, named }: { what: string; named: string | undefined },
): Promise<Refusal | undefined> {
  if ((await find(host, named ?? what, service.searchPath)) !== undefined) return undefined
  return notInstalled(service, { what: named ?? what, by: 'CRI-O needs ', remedy: `name it in CRI-O's configuration` })
}

function notInstalled(
  { searchPath }: Service,
  { what, by, remedy }: { what: string; by: string; remedy: string },
): Refusal {
  const where = what.startsWith('/') ? 'does not exist or is not executable' : `is in none of ${searchPath.join(', ')}`
  return { reason: 'RuntimeNotInstalled', message: `${by}${what} ${where} on this node: install it, or ${remedy}` }
}
