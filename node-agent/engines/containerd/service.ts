/** How containerd is started on a host: as its unit says, or as it will with staged programs. */
import { isAbsolute, join } from 'node:path/posix'
import { flagOf, readService, type Word } from '../../detect/unit-file.ts'
import type { Host } from '../../host/host.ts'
import type { FileFound, Refusal, Staged } from '../engine.ts'
import { defaultSearchPath, programTimeoutMs } from '../programs.ts'
import { defaultConfig, unit } from './paths.ts'

export interface Service {
  readonly binary: string
  /** "2.3.7", as the program says it. */
  readonly version: string | undefined
  /** The program that a staged one takes the place of. */
  readonly replaced?: { readonly binary: string; readonly version: string | undefined }
  readonly main: FileFound
  /** Where the program finds what will be in the main file: below the folder of unpacked packages when only they bring it. Undefined: nowhere. */
  readonly readAt: string | undefined
  readonly searchPath: readonly string[]
  readonly refusal?: Refusal
}

/** Undefined when there is no containerd, and none is to come. */
export async function serviceOf(host: Host, staged: Staged | undefined): Promise<Service | undefined> {
  const state = await host.unit(unit)
  const isInstalled = state.loadState === 'loaded'
  const { command, environment } = await readService(host, isInstalled ? state.files : [])
  const present = isInstalled ? state.execStart || command[0]?.text : undefined
  const binary = staged?.program ?? present
  if (binary === undefined) return undefined
  const path = flagOf(command, '--config', '-c')?.text ?? defaultConfig
  const main = { path, bytes: await host.readFile(path) }
  const refusal = staged && lostOptions(command, staged)
  return {
    binary,
    version: staged?.version ?? (await versionOf(host, binary)),
    ...(await replacedBy(host, staged, present)),
    main,
    readAt: main.bytes ? path : await broughtBy(host, staged, path),
    searchPath: searchPathOf(environment.get('PATH')?.text, staged),
    ...(refusal ? { refusal } : {}),
  }
}

async function replacedBy(
  host: Host,
  staged: Staged | undefined,
  present: string | undefined,
): Promise<Pick<Service, 'replaced'>> {
  if (!staged || present === undefined || present === staged.program) return {}
  return { replaced: { binary: present, version: await versionOf(host, present) } }
}

/** The configuration that packages bring to a host without one. */
async function broughtBy(host: Host, staged: Staged | undefined, path: string): Promise<string | undefined> {
  const unpacked = staged?.root === undefined ? undefined : join(staged.root, path)
  return unpacked !== undefined && (await host.readFile(unpacked)) ? unpacked : undefined
}

/** Drydock's drop-in sets a PATH of its own. */
function searchPathOf(own: string | undefined, staged: Staged | undefined): string[] {
  const path = isDroppedIn(staged) ? defaultSearchPath : (own ?? defaultSearchPath)
  return [...(staged?.searchPath ?? []), ...path.split(':').filter(isAbsolute)]
}

/** "containerd github.com/containerd/containerd 1.6.20~ds1 1.6.20~ds1-1+deb12u3" → "1.6.20~ds1" */
export function versionIn(output: string): string | undefined {
  const word = output.trim().split(/\s+/)[2]
  return word?.replace(/^v(?=\d)/, '')
}

async function versionOf(host: Host, binary: string): Promise<string | undefined> {
  return versionIn((await host.run([binary, '--version'], { timeoutMs: programTimeoutMs })).stdout)
}

function isDroppedIn(staged: Staged | undefined): boolean {
  return staged?.files.some(({ path }) => path.includes(`/${unit}`)) ?? false
}

/** Drydock's own unit starts the program without options: what they said would be lost, or read from another file. */
function lostOptions(command: readonly Word[], staged: Staged): Refusal | undefined {
  const [, option] = command
  if (!option || !isDroppedIn(staged)) return undefined
  const said = command.slice(1).map(({ text }) => text)
  if (said.join(' ').replace('=', ' ') === `--config ${defaultConfig}`) return undefined
  return {
    reason: 'UnitOptions',
    message: `${option.path}:${option.line} starts containerd with ${said.join(' ')}, which programs from an archive would be started without: write the settings into ${defaultConfig} and remove the options`,
  }
}
