/** Asks the installed containerd itself about the edited files, and each handler's program whether it runs. */
import { dirname, join } from 'node:path/posix'
import type { Host } from '../../host/host.ts'
import type { CgroupDriver, FileEdit, Found, HandlerTarget, Refusal, Target } from '../engine.ts'
import { find, ociRuntime, programTimeoutMs } from '../programs.ts'
import { refusedBySpecification } from '../specification.ts'
import { withStaged } from '../staged.ts'
import { same, type Tree, tableAt, valueAt } from '../toml/tree.ts'
import { inVersion3, statedVersion } from './config.ts'
import { dump, programOf } from './detect.ts'
import { criPlugins, runcType } from './paths.ts'
import { leavesOf } from './version3.ts'
import { driverOfHandler, handlersOf, viewOf } from './view.ts'

export async function validate(
  host: Host,
  found: Found,
  edits: readonly FileEdit[],
  target: Target | undefined,
): Promise<Refusal | undefined> {
  const main = found.configFiles[0]
  const edit = edits.find(({ path }) => path === main.path)
  const check = (file: string | undefined) => checkFile(host, found, { file, target })
  if (edit?.after) return (await checkMove(host, found, edit)) ?? withStaged(host, edit, check)
  return check(edit || main.bytes === undefined ? undefined : main.path)
}

/** A file that goes to another version of the format must mean the same to the program that will read it, before anything is changed in it. */
async function checkMove(host: Host, found: Found, edit: FileEdit): Promise<Refusal | undefined> {
  if (statedVersion(edit.before) !== 2 || statedVersion(edit.after) !== 3) return undefined
  const moved = inVersion3(found, { path: edit.path, bytes: edit.before })
  const binary = found.observed.engine?.binary ?? 'containerd'
  const before = await dump(host, binary, edit.path)
  if ('reason' in before) return before
  return withStaged(host, { ...edit, after: moved }, async (staged) => {
    const after = await dump(host, binary, staged)
    if ('reason' in after) return after
    if (same(before.tree, after.tree)) return undefined
    const line = firstDifference(before.tree, after.tree)
    const message = `${edit.path} would not mean the same in version 3 of its format (${line}): run "containerd config migrate" of the new version and put its output there`
    return { reason: 'ConfigNotMigratable', message }
  })
}

/** The first setting that differs, by its path. */
function firstDifference(a: Tree, b: Tree): string {
  const [one, other] = [leavesOf(a), leavesOf(b)]
  const path = [...one.keys(), ...other.keys()].find((each) => !same(one.get(each), other.get(each)))
  return (JSON.parse(path ?? '[]') as string[]).join('.')
}

async function checkFile(
  host: Host,
  found: Found,
  { file, target }: { file: string | undefined; target: Target | undefined },
): Promise<Refusal | undefined> {
  const dumped = await dump(host, found.observed.engine?.binary ?? 'containerd', file)
  if ('reason' in dumped) return dumped
  const { tree } = dumped
  const view = viewOf(dumped)
  const handlers = handlersOf(view)
  const disabled = Array.isArray(tree['disabled_plugins']) ? tree['disabled_plugins'] : []
  const cri = disabled.find((plugin) => criPlugins.includes(String(plugin)))
  if (cri !== undefined) return mismatch(`its CRI plugin is disabled ("${cri}" in disabled_plugins)`)
  return (
    checkDefault(view, target) ?? checkWanted(view, target) ?? (await checkPrograms(host, found, { handlers, target }))
  )
}

function checkDefault(view: Tree, target: Target | undefined): Refusal | undefined {
  const name = String(view['default_runtime_name'])
  const wanted = target?.handlers?.find((handler) => handler.default)?.name
  if (wanted !== undefined && wanted !== name) return mismatch(`its default handler is "${name}", not "${wanted}"`)
  if (!tableAt(view, ['runtimes', name])['runtime_type']) {
    return mismatch(`its default handler "${name}" is not defined, so its CRI plugin would not load`)
  }
  return undefined
}

function checkWanted(view: Tree, target: Target | undefined): Refusal | undefined {
  for (const handler of target?.handlers ?? []) {
    const wrong = checkHandler(tableAt(view, ['runtimes', handler.name]), handler)
    if (wrong) return wrong
  }
  const image = target?.sandboxImage
  if (image !== undefined && view['sandbox_image'] !== image) return mismatch(`its sandbox image is not ${image}`)
  return target?.cgroupDriver ? checkDrivers(handlersOf(view), target.cgroupDriver) : undefined
}

function checkHandler(table: Tree, { name, binary }: HandlerTarget): Refusal | undefined {
  if (table['runtime_type'] !== runcType) return mismatch(`handler "${name}" is not of type ${runcType}`)
  if (binary !== undefined && valueAt(table, ['options', 'BinaryName']) !== binary) {
    return mismatch(`handler "${name}" does not run ${binary}`)
  }
  return undefined
}

function checkDrivers(handlers: readonly [string, Tree][], driver: CgroupDriver): Refusal | undefined {
  const wrong = handlers.find(([, handler]) => (driverOfHandler(handler) ?? driver) !== driver)
  return wrong ? mismatch(`handler "${wrong[0]}" does not use the cgroup driver ${driver}`) : undefined
}

/** Handlers that others have added count too: the proof runs through every one of them. */
async function checkPrograms(
  host: Host,
  found: Found,
  { handlers, target }: { handlers: readonly [string, Tree][]; target: Target | undefined },
): Promise<Refusal | undefined> {
  for (const [name, handler] of handlers) {
    const isRunc = handler['runtime_type'] === runcType
    const program = isRunc ? await programOf(host, handler, found.searchPath) : await shimOf(host, found, handler)
    if (program === undefined) return noProgram(found, { name, handler, target })
    const refusal = isRunc ? await checkRuntime(host, found, { name, program }) : undefined
    if (refusal) return refusal
  }
  return undefined
}

async function checkRuntime(
  host: Host,
  { observed }: Found,
  { name, program }: { name: string; program: string },
): Promise<Refusal | undefined> {
  const runtime = await ociRuntime(host, program)
  if (!runtime) {
    const message = `handler "${name}": "${program} --version" does not run on this node; repair it, or name another binary`
    return { reason: 'RuntimeBroken', message }
  }
  const { binary = 'containerd', version = '' } = observed.engine ?? {}
  const engine = `containerd ${version}`.trim()
  return refusedBySpecification(host, {
    handler: name,
    runtime,
    engine,
    specification: () => specificationOf(host, binary),
  })
}

/** As the ctr of the same release has it. */
async function specificationOf(host: Host, binary: string): Promise<string | undefined> {
  const argv = [join(dirname(binary), 'ctr'), 'oci', 'spec']
  const ran = await host.run(argv, { timeoutMs: programTimeoutMs }).catch(() => undefined)
  return /"ociVersion": *"([^"]+)"/.exec(ran?.stdout ?? '')?.[1]
}

/** "io.containerd.runsc.v1" runs containerd-shim-runsc-v1; a path is a shim itself. */
function shimOf(host: Host, found: Found, handler: Tree): Promise<string | undefined> {
  const type = String(handler['runtime_path'] || handler['runtime_type'])
  const [version, name] = type.split('.').reverse()
  const program = type.includes('/') ? type : `containerd-shim-${name}-${version}`
  return find(host, program, [dirname(found.observed.engine?.binary ?? '/'), ...found.searchPath])
}

interface Named {
  readonly name: string
  readonly handler: Tree
  readonly target: Target | undefined
}

function noProgram(found: Found, { name, handler, target }: Named): Refusal {
  const named = valueAt(handler, ['options', 'BinaryName'])
  const program = handler['runtime_type'] !== runcType ? `the shim of ${handler['runtime_type']}` : named || 'runc'
  const where = String(program).startsWith('/')
    ? 'does not exist or is not executable'
    : `is in none of ${found.searchPath.join(', ')}`
  const isAsked = target?.handlers?.some((asked) => asked.name === name)
  const change = isAsked
    ? 'change that handler in the profile'
    : `remove that handler from ${found.configFiles[0].path}`
  return {
    reason: 'RuntimeNotInstalled',
    message: `handler "${name}": ${program} ${where} on this node: install it, or ${change}`,
  }
}

function mismatch(what: string): Refusal {
  return {
    reason: 'ConfigNotEffective',
    message: `containerd reads the edited configuration, but ${what}: see "containerd config dump" and the files that its "imports" name`,
  }
}
