/** What kubelet there is on a host, and where each of its settings comes from. */
import { join } from 'node:path/posix'
import { flagOf, readService, type Service } from '../detect/unit-file.ts'
import type { CgroupDriver, FileFound } from '../engines/engine.ts'
import { Refused, textOf } from '../engines/refused.ts'
import type { Host } from '../host/host.ts'
import type { Flag, KubeletFound } from './kubelet.ts'
import { type Settings, settingsOf } from './yaml.ts'

export const kubeletUnit = 'kubelet.service'

const timeoutMs = 20_000
const defaultEndpoint = 'unix:///run/containerd/containerd.sock'
const readFlags = [
  'cgroup-driver',
  'container-runtime-endpoint',
  'config',
  'config-dir',
  'healthz-port',
  'healthz-bind-address',
] as const

/** Undefined when no unit `kubelet.service` is there. */
export async function detectKubelet(host: Host): Promise<KubeletFound | undefined> {
  const state = await host.unit(kubeletUnit)
  if (state.loadState !== 'loaded') return undefined
  const service = await readService(host, state.files)
  const program = state.execStart || service.command[0]?.text
  if (!program) return undefined
  const { stdout } = await host.run([program, '--version'], { timeoutMs })
  const flags = flagsOf(service)
  const value = (name: string) => flags.find((flag) => flag.name === name)?.value
  const configPath = value('config')
  const configFile = configPath ? { path: configPath, bytes: await host.readFile(configPath) } : undefined
  const dropIns = await dropInsOf(host, value('config-dir'))
  const { settings, refusal } = merged([...(configFile ? [configFile] : []), ...dropIns])
  return {
    unit: kubeletUnit,
    version: /v(\d+\.\d+\.\d+\S*)/.exec(stdout)?.[1],
    flags,
    configFile,
    dropIns,
    environmentFiles: service.environmentFiles,
    configuredDriver: driverIn(value('cgroup-driver')) ?? driverIn(settings['cgroupDriver']) ?? 'cgroupfs',
    endpoint: withScheme(
      value('container-runtime-endpoint') || textIn(settings['containerRuntimeEndpoint']) || defaultEndpoint,
    ),
    healthz: {
      address: value('healthz-bind-address') ?? textIn(settings['healthzBindAddress']) ?? '127.0.0.1',
      port: Number(value('healthz-port') ?? settings['healthzPort'] ?? 10248),
    },
    ...(refusal ? { refusal } : {}),
  }
}

export function driverIn(value: unknown): CgroupDriver | undefined {
  return value === 'systemd' || value === 'cgroupfs' ? value : undefined
}

function flagsOf({ command }: Service): Flag[] {
  return readFlags.flatMap((name) => {
    const word = flagOf(command, `--${name}`)
    if (!word) return []
    const { text, path, line, environmentFile } = word
    return [{ name, value: text, path, line, environmentFile }]
  })
}

async function dropInsOf(host: Host, folder: string | undefined): Promise<FileFound[]> {
  if (folder === undefined) return []
  const names = (await host.listFolder(folder)).filter((name) => name.endsWith('.conf'))
  return Promise.all(
    names.map(async (name) => ({ path: join(folder, name), bytes: await host.readFile(join(folder, name)) })),
  )
}

/** Later files win. A file that cannot be read must not keep the rest of the node from being shown. */
function merged(files: readonly FileFound[]): { settings: Settings; refusal?: Refused['refusal'] } {
  try {
    const all = files.map(({ path, bytes }) => settingsOf(path, textOf(path, bytes)))
    return { settings: Object.assign({}, ...all) as Settings }
  } catch (error) {
    if (error instanceof Refused) return { settings: {}, refusal: error.refusal }
    throw error
  }
}

function textIn(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined
}

/** Old kubelets take a bare path. */
function withScheme(endpoint: string): string {
  return endpoint.includes('://') ? endpoint : `unix://${endpoint}`
}
