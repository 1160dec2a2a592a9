/** One look at a host: nothing is changed. */
import type { CgroupDriver, Found, Observed, Refusal } from '../engines/engine.ts'
import type { Host } from '../host/host.ts'
import { detectKubelet, kubeletUnit } from '../kubelet/detect.ts'
import type { KubeletFound } from '../kubelet/kubelet.ts'
import { type EngineSeen, kubeletEngine } from './kubelet-engine.ts'
import { loneEngine } from './lone-engine.ts'
import type { Observation } from './observation.ts'
import { cgroupVersion, operatingSystem, osObserved, unsupported } from './operating-system.ts'

export interface Observing {
  /** Without a kubelet that has joined a cluster, the engine of the host is looked at all the same: a person is at the machine. */
  readonly isEmbedded?: boolean
}

export async function observe(host: Host, { isEmbedded = false }: Observing = {}): Promise<Observation> {
  const os = await operatingSystem(host)
  const foreign = await unsupported(host, os)
  const installed = await detectKubelet(host)
  const kubelet = isEmbedded && installed && !hasJoined(installed) ? undefined : installed
  const seen = kubelet ? await kubeletEngine(host, kubelet) : isEmbedded ? await loneEngine(host) : undefined
  const found = seen?.engine?.found
  const refusal = foreign ?? kubelet?.refusal ?? (seen ? seen.refusal : noKubelet())
  return {
    observed: {
      os: osObserved(os, foreign === undefined),
      engine: seen?.observed ?? { name: 'none' },
      cgroup: { version: await cgroupVersion(host), ...drivers(kubelet, found, seen) },
      ...(found?.observed.handlers ? { handlers: found.observed.handlers } : {}),
      ...(found?.observed.sandboxImage ? { sandboxImage: found.observed.sandboxImage } : {}),
      ...(installed?.version ? { kubeletVersion: installed.version } : {}),
    },
    machineID: await word(host, '/etc/machine-id'),
    bootID: await word(host, '/proc/sys/kernel/random/boot_id'),
    kubelet,
    engine: seen?.engine,
    ...(seen?.isVacant && !foreign && !kubelet?.refusal ? { isVacant: true } : {}),
    ...(refusal ? { refusal } : {}),
  }
}

/** A kubelet takes the driver that its engine reports through CRI over its own setting, when both can: 1.31 with containerd 2.0 or CRI-O 1.28. */
function drivers(
  kubelet: KubeletFound | undefined,
  found: Found | undefined,
  seen: EngineSeen | undefined,
): Pick<NonNullable<Observed['cgroup']>, 'engineDriver' | 'kubeletDriver'> {
  const engineDriver: CgroupDriver | undefined = found?.observed.engineDriver
  const asks = Number(/^1\.(\d+)/.exec(kubelet?.version ?? '')?.[1] ?? 0) >= 31
  const answers = saysDriver(seen?.observed ?? {})
  const kubeletDriver = asks && answers && engineDriver ? engineDriver : kubelet?.configuredDriver
  return { ...(engineDriver ? { engineDriver } : {}), ...(kubeletDriver ? { kubeletDriver } : {}) }
}

/** Whether the engine answers RuntimeConfig. cri-dockerd does from 0.3.17 on, which nothing here tells. */
function saysDriver({ name, version }: NonNullable<Observed['engine']>): boolean {
  const [major = 0, minor = 0] = (version ?? '').split('.').map(Number)
  return name === 'containerd' ? major >= 2 : name === 'cri-o' && (major > 1 || minor >= 28)
}

/** kubeadm's unit names a configuration that comes with joining. */
function hasJoined({ configFile }: KubeletFound): boolean {
  return configFile === undefined || configFile.bytes !== undefined
}

function noKubelet(): Refusal {
  return {
    reason: 'KubeletUnknown',
    message: `this host has no unit ${kubeletUnit} that Drydock could stop and start: exclude the node from the profile`,
  }
}

async function word(host: Host, path: string): Promise<string | undefined> {
  return (await host.readFile(path))?.toString().trim() || undefined
}
