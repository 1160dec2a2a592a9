/** What Drydock knows of a kubelet: its flags, its files, and where each setting comes from. */
import type { CgroupDriver, FileFound, Refusal } from '../engines/engine.ts'

/** A flag of the kubelet's command line and the place where it is written. */
export interface Flag {
  readonly name: string
  readonly value: string
  readonly path: string
  /** Line in that file, from 1. */
  readonly line: number
  /** Whether the place is an EnvironmentFile: the only kind that Drydock edits. */
  readonly environmentFile: boolean
}

export interface KubeletFound {
  readonly unit: string
  readonly version: string | undefined
  readonly flags: readonly Flag[]
  /** The file of `--config`; undefined without that flag. */
  readonly configFile: FileFound | undefined
  /** Files of `--config-dir`, which win over the config file, in the order of reading. */
  readonly dropIns: readonly FileFound[]
  readonly environmentFiles: readonly FileFound[]
  /** What flags and files say; the kubelet's default is cgroupfs. A CRI engine that reports a driver overrules it from 1.31 on. */
  readonly configuredDriver: CgroupDriver
  /** CRI endpoint with its scheme. */
  readonly endpoint: string
  readonly healthz: { readonly address: string; readonly port: number }
  /** Why the kubelet's files cannot be understood. */
  readonly refusal?: Refusal
}
