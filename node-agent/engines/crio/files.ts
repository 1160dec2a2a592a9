/** What CRI-O reads on a host: its unit's command line, its configuration files, and those that it shares with podman. */
import { isAbsolute, join } from 'node:path/posix'
import { flagOf, readService, type Word } from '../../detect/unit-file.ts'
import type { Host } from '../../host/host.ts'
import { filesBelow } from '../../host/walk.ts'
import type { FileFound, Refusal, Staged } from '../engine.ts'
import { defaultSearchPath } from '../programs.ts'
import {
  defaultConfig,
  defaultDropIns,
  dropInName,
  hostPolicy,
  ownPolicy,
  ownRegistries,
  registries,
  registriesDropIns,
  unit,
} from './paths.ts'

/** CRI-O as its unit starts it, or as it will be started. */
export interface Service {
  readonly binary: string
  /** Options of its command line but those that name files of configuration: they win over every file. */
  readonly flags: readonly Word[]
  readonly configPath: string
  readonly dropIns: string
  readonly searchPath: readonly string[]
  /** The program that a staged one takes the place of. */
  readonly replaced?: string
  /** Why the staged program cannot take its place. */
  readonly refusal?: Refusal
}

/** Undefined when there is no CRI-O, and none is to come. */
export async function serviceOf(host: Host, staged: Staged | undefined): Promise<Service | undefined> {
  const state = await host.unit(unit)
  const { command, environment } = await readService(host, state.loadState === 'loaded' ? state.files : [])
  const present = state.execStart || command[0]?.text
  const binary = staged?.program ?? present
  if (binary === undefined) return undefined
  const path = environment.get('PATH')?.text ?? defaultSearchPath
  const refusal = staged && lostOptions(command, staged)
  return {
    binary,
    flags: withoutFiles(command.slice(1)),
    configPath: flagOf(command, '--config', '-c')?.text ?? defaultConfig,
    dropIns: flagOf(command, '--config-dir', '-d')?.text ?? defaultDropIns,
    searchPath: [...(staged?.searchPath ?? []), ...path.split(':').filter(isAbsolute)],
    ...(present === undefined || present === binary ? {} : { replaced: present }),
    ...(refusal ? { refusal } : {}),
  }
}

/** Drydock's unit starts CRI-O with the options of its environment files, and with none that a unit spells itself. */
function lostOptions(command: readonly Word[], { files }: Staged): Refusal | undefined {
  const spelled = command.slice(1).filter(({ source }) => source === 'ExecStart')
  const [option] = spelled
  if (!option || !files.some(({ path }) => path.includes(`/${unit}`))) return undefined
  const said = spelled.map(({ text }) => text).join(' ')
  if (said.replace('=', ' ').replace(/^-c /, '--config ') === `--config ${defaultConfig}`) return undefined
  return {
    reason: 'UnitOptions',
    message: `${option.path}:${option.line} starts CRI-O with ${said}, which programs from an archive would be started without: write it into CRIO_CONFIG_OPTIONS of the unit's environment file, or the settings into a file of ${defaultDropIns}`,
  }
}

/** CRI-O refuses an option that is there by both of its names, and both are given anew with each question. */
function withoutFiles(words: readonly Word[]): Word[] {
  return words.filter(({ text }, at) => {
    const isValue = fileFlag.test(words[at - 1]?.text ?? '')
    return !isValue && !fileFlag.test(text) && !/^(--config|-c|--config-dir|-d)=/.test(text)
  })
}

const fileFlag = /^(--config|-c|--config-dir|-d)$/

/** The drop-in of Drydock first, then CRI-O's other files in the order of reading, then those that it shares. */
export async function configFiles(host: Host, service: Service): Promise<[FileFound, ...FileFound[]]> {
  const own = join(service.dropIns, dropInName)
  const dropIns = await filesBelow(host, service.dropIns)
  const shared = (await host.listFolder(registriesDropIns)).filter((name) => name.endsWith('.conf'))
  const paths = new Set([
    service.configPath,
    // Every file below the folder, whatever its name.
    ...dropIns.map(({ path }) => path).filter((path) => path !== own),
    ownPolicy,
    hostPolicy,
    registries,
    ...shared.map((name) => join(registriesDropIns, name)),
    ownRegistries,
  ])
  const read = async (path: string): Promise<FileFound> => ({ path, bytes: await host.readFile(path) })
  return [await read(own), ...(await Promise.all([...paths].map(read)))]
}
