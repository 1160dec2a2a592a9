/** What Docker there is on a host, and the cri-dockerd in front of it. */
import { flagOf, readService } from '../../detect/unit-file.ts'
import type { Host } from '../../host/host.ts'
import type { CgroupDriver, Found, Observed } from '../engine.ts'
import { defaultSearchPath, programTimeoutMs } from '../programs.ts'
import { type DockerInfo, dockerInfo } from './info.ts'
import { criUnit, defaultConfig, dockerUnit } from './paths.ts'

export async function detect(host: Host): Promise<Found | undefined> {
  const { loadState, execStart, files } = await host.unit(dockerUnit)
  if (loadState !== 'loaded') return undefined
  const { command } = await readService(host, files)
  const binary = execStart || command[0]?.text
  if (!binary) return undefined
  const configPath = flagOf(command, '--config-file')?.text ?? defaultConfig
  const config = { path: configPath, bytes: await host.readFile(configPath) }
  const info = await dockerInfo(host)
  const version = info?.ServerVersion ?? (await versionOf(host, binary))
  const driver =
    driverIn(info?.CgroupDriver) ??
    driverSet(
      config.bytes,
      command.map(({ text }) => text),
    )
  const sandboxImage = await pauseImage(host)
  return {
    observed: {
      engine: { name: 'docker', binary, configPath, ...(version ? { version } : {}) },
      ...(info ? { handlers: handlersOf(info, driver) } : {}),
      ...(sandboxImage ? { sandboxImage } : {}),
      ...(driver ? { engineDriver: driver } : {}),
    },
    configFiles: [config],
    ociRuntimes: [],
    searchPath: defaultSearchPath.split(':'),
  }
}

/** "Docker version 26.1.5+dfsg1, build a72d7cd" */
async function versionOf(host: Host, binary: string): Promise<string | undefined> {
  const ran = await host.run([binary, '--version'], { timeoutMs: programTimeoutMs }).catch(() => undefined)
  return /version v?([0-9][^\s,]*)/.exec(ran?.stdout ?? '')?.[1]
}

/** Those that Docker has by itself count only when pods get them: nobody may ever have tried them on this host. */
function handlersOf(
  { Runtimes, DefaultRuntime }: DockerInfo,
  driver: CgroupDriver | undefined,
): NonNullable<Observed['handlers']> {
  return Object.entries(Runtimes ?? {})
    .filter(([name]) => !builtIn.includes(name) || name === DefaultRuntime)
    .map(([name, runtime]) => ({
      name,
      default: name === DefaultRuntime,
      ...(runtime?.path ? { binary: runtime.path } : {}),
      ...(driver ? { cgroupDriver: driver } : {}),
    }))
}

const builtIn = ['runc', 'io.containerd.runc.v2']

/** `native.cgroupdriver` of the file or of the command line: what a dockerd that does not answer was told. Undefined: nothing. */
function driverSet(bytes: Buffer | undefined, command: readonly string[]): CgroupDriver | undefined {
  const options = [...execOptions(bytes), ...command].map((text) => text.replace(/^--exec-opt=/, ''))
  const set = options.findLast((text) => text.startsWith('native.cgroupdriver='))
  return driverIn(set?.split('=')[1])
}

function execOptions(bytes: Buffer | undefined): readonly string[] {
  try {
    const options = (JSON.parse(bytes?.toString() ?? '{}') as { 'exec-opts'?: unknown })['exec-opts']
    return Array.isArray(options) ? options.map(String) : []
  } catch {
    // dockerd does not start with such a file either: what is running is told by itself.
    return []
  }
}

function driverIn(text: string | undefined): CgroupDriver | undefined {
  return text === 'systemd' || text === 'cgroupfs' ? text : undefined
}

/** Where cri-dockerd is told so; a kubelet with dockershim has the flag itself. */
async function pauseImage(host: Host): Promise<string | undefined> {
  const { loadState, files } = await host.unit(criUnit)
  if (loadState !== 'loaded') return undefined
  const { command } = await readService(host, files)
  return flagOf(command, '--pod-infra-container-image')?.text
}
