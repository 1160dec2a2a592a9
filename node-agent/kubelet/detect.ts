/** What kubelet there is on a host, and where each of its settings comes from. */
import { readService } from '../detect/unit-file.ts'
import type { FileFound, Refusal } from '../engines/engine.ts'
import { isRefusal } from '../engines/engine.ts'
import { orRefusal } from '../engines/refused.ts'
import type { Host } from '../host/host.ts'
import { filesBelow } from '../host/walk.ts'
import type { Settings } from '../yaml/edit.ts'
import type { KubeletFiles, KubeletFound } from './kubelet.ts'
import { driverIn, effectiveEndpoint, fileSettings, flagValue, textIn, withScheme } from './settings.ts'

export const kubeletUnit = 'kubelet.service'

const timeoutMs = 20_000
const instanceConfigPath = '/var/lib/kubelet/instance-config.yaml'

/** Undefined when no unit `kubelet.service` is there. */
export async function detectKubelet(host: Host): Promise<KubeletFound | undefined> {
  const state = await host.unit(kubeletUnit)
  if (state.loadState !== 'loaded') return undefined
  const service = await readService(host, state.files)
  const program = state.execStart || service.command[0]?.text
  if (!program) return undefined
  const { stdout } = await host.run([program, '--version'], { timeoutMs })
  const version = /v(\d+\.\d+\.\d+\S*)/.exec(stdout)?.[1]
  const started = {
    unitFiles: await Promise.all(state.files.map((path) => read(host, path))),
    environmentFiles: service.environmentFiles,
    configFile: undefined,
    dropIns: [],
    instanceConfig: undefined,
  }
  const configPath = flagValue(started, 'config')
  const instanceConfig = await read(host, instanceConfigPath)
  const files: KubeletFiles = {
    ...started,
    configFile: configPath ? await read(host, configPath) : undefined,
    dropIns: await dropInsOf(host, flagValue(started, 'config-dir')),
    instanceConfig: instanceConfig.bytes && instanceConfig,
  }
  return { unit: kubeletUnit, version, ...files, ...saidBy({ ...files, version }) }
}

type Said = Pick<KubeletFound, 'configuredDriver' | 'endpoint' | 'healthz' | 'refusal'>

/** Files that cannot be understood must not keep the rest of the node from being shown. */
function saidBy(files: KubeletFiles & Pick<KubeletFound, 'version'>): Said {
  const settings: Settings | Refusal = orRefusal(() => fileSettings(files))
  const refusal = isRefusal(settings) ? settings : undefined
  const readable = refusal ? { ...files, configFile: undefined, dropIns: [] } : files
  const set = refusal ? {} : (settings as Settings)
  return {
    configuredDriver: driverIn(flagValue(files, 'cgroup-driver')) ?? driverIn(set['cgroupDriver']) ?? 'cgroupfs',
    endpoint: withScheme(effectiveEndpoint(readable)),
    healthz: {
      address: flagValue(files, 'healthz-bind-address') ?? textIn(set['healthzBindAddress']) ?? '127.0.0.1',
      port: Number(flagValue(files, 'healthz-port') ?? set['healthzPort'] ?? 10248),
    },
    ...(refusal ? { refusal } : {}),
  }
}

async function read(host: Host, path: string): Promise<FileFound> {
  return { path, bytes: await host.readFile(path) }
}

async function dropInsOf(host: Host, folder: string | undefined): Promise<FileFound[]> {
  if (folder === undefined) return []
  return (await filesBelow(host, folder)).filter(({ path }) => path.endsWith('.conf'))
}
