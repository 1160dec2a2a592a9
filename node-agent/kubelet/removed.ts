/** Flags that kubelets no longer know: with one of them left, a kubelet of that version does not start. */
import type { Flag } from './flags.ts'
import { type KubeletFound, minorOf } from './kubelet.ts'

export interface RemovedFlag extends Flag {
  /** First 1.x whose kubelet answers "unknown flag". */
  readonly since: number
  /** Read by the Docker support inside the kubelet alone: with any other engine it never had a meaning. */
  readonly isDockershim?: true
}

/** Kubernetes changelogs of those releases. */
export const removedFlags: readonly RemovedFlag[] = [
  ...of(24, 'experimental-dockershim-root-directory docker-endpoint image-pull-progress-deadline network-plugin'),
  ...of(24, 'cni-conf-dir cni-bin-dir cni-cache-dir network-plugin-mtu'),
  ...of(27, 'container-runtime'),
  ...of(35, 'pod-infra-container-image'),
  ...of(37, 'application-metrics-count-limit boot-id-file container-hints containerd containerd-namespace'),
  ...of(37, 'event-storage-age-limit event-storage-event-limit global-housekeeping-interval machine-id-file'),
  ...of(37, 'storage-driver-buffer-duration storage-driver-db storage-driver-host storage-driver-password'),
  ...of(37, 'storage-driver-table storage-driver-user'),
  ...of(37, 'enable-load-reader log-cadvisor-usage storage-driver-secure').map((flag) => ({ ...flag, isSwitch: true })),
]

function of(since: number, names: string): RemovedFlag[] {
  return names.split(' ').map((name) => ({ name, since, ...(since === 24 ? { isDockershim: true as const } : {}) }))
}

/** Flags that must go; `leavesDocker`: those of the Docker support inside the kubelet too. */
export function deadFlags(found: Pick<KubeletFound, 'version'>, leavesDocker: boolean): readonly RemovedFlag[] {
  const minor = minorOf(found)
  return removedFlags.filter(
    ({ since, isDockershim }) => (minor !== undefined && minor >= since) || (isDockershim && leavesDocker),
  )
}
