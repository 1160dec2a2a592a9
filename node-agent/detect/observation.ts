/** All that one look at a host tells. */
import type { Engine, Found, Observed, Refusal } from '../engines/engine.ts'
import type { KubeletFound } from '../kubelet/kubelet.ts'

export interface Observation {
  /** What goes into the status. */
  readonly observed: Observed
  readonly machineID: string | undefined
  readonly bootID: string | undefined
  readonly kubelet: KubeletFound | undefined
  /** The engine that the kubelet uses, when it is one that Drydock can change. */
  readonly engine: { readonly engine: Engine; readonly found: Found } | undefined
  /** Why this host is not changed at all, and what to do there instead. */
  readonly refusal?: Refusal
}
