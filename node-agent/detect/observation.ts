/** All that one look at a host tells. */
import type { Found, Observed, Refusal, SourceEngine } from '../engines/engine.ts'
import type { KubeletFound } from '../kubelet/kubelet.ts'

export interface Observation {
  /** What goes into the status. */
  readonly observed: Observed
  readonly machineID: string | undefined
  readonly bootID: string | undefined
  readonly kubelet: KubeletFound | undefined
  /** The engine that the kubelet uses, when it is one that Drydock knows. */
  readonly engine: { readonly engine: SourceEngine; readonly found: Found } | undefined
  /** The kubelet's endpoint is that of an engine that Drydock knows and that is not installed: another may take its place. */
  readonly isVacant?: true
  /** Why this host is not changed at all, and what to do there instead. */
  readonly refusal?: Refusal
}
