/** What Drydock knows of a kubelet: the files that tell it what to do, and what they say. */
import type { CgroupDriver, FileFound, Refusal } from '../engines/engine.ts'

/** Every file that decides over the kubelet's engine and cgroup driver. */
export interface KubeletFiles {
  /** The unit file, then its drop-ins, in the order of reading. */
  readonly unitFiles: readonly FileFound[]
  readonly environmentFiles: readonly FileFound[]
  /** The file of `--config`; undefined without that flag, without bytes before `kubeadm join`. */
  readonly configFile: FileFound | undefined
  /** Files of `--config-dir`, which win over the config file, in the order of reading. */
  readonly dropIns: readonly FileFound[]
  /** The node's own patch that kubeadm from 1.34 on lays over the config file again at each upgrade. */
  readonly instanceConfig: FileFound | undefined
}

export interface KubeletFound extends KubeletFiles {
  readonly unit: string
  readonly version: string | undefined
  /** What flags and files say; the kubelet's default is cgroupfs. A CRI engine that reports a driver overrules it from 1.31 on. */
  readonly configuredDriver: CgroupDriver
  /** CRI endpoint with its scheme. */
  readonly endpoint: string
  readonly healthz: { readonly address: string; readonly port: number }
  /** Why the kubelet's files cannot be understood. */
  readonly refusal?: Refusal
}

export function yamlFilesOf({ configFile, dropIns, instanceConfig }: KubeletFiles): FileFound[] {
  return [configFile, ...dropIns, instanceConfig].filter((file) => file !== undefined)
}

export function filesOf(found: KubeletFiles): FileFound[] {
  return [...yamlFilesOf(found), ...found.environmentFiles, ...found.unitFiles]
}

/** The same kubelet with other bytes in its files. */
export function withBytes<T extends KubeletFiles>(found: T, bytesOf: (file: FileFound) => Buffer | undefined): T {
  const each = (file: FileFound): FileFound => ({ path: file.path, bytes: bytesOf(file) })
  return {
    ...found,
    unitFiles: found.unitFiles.map(each),
    environmentFiles: found.environmentFiles.map(each),
    configFile: found.configFile && each(found.configFile),
    dropIns: found.dropIns.map(each),
    instanceConfig: found.instanceConfig && each(found.instanceConfig),
  }
}

export function withFile<T extends KubeletFiles>(found: T, path: string, bytes: Buffer): T {
  return withBytes(found, (file) => (file.path === path ? bytes : file.bytes))
}

/** The 36 of "1.36.3"; undefined when the version is not known. */
export function minorOf({ version }: Pick<KubeletFound, 'version'>): number | undefined {
  const minor = /^1\.(\d+)/.exec(version ?? '')?.[1]
  return minor === undefined ? undefined : Number(minor)
}
