/** Pure: CRI-O hands every annotation of a pod to the OCI runtime but those below, which a handler has to be allowed. */

/** `allowed_annotations` takes exactly these; a handler with any other one is dropped, or CRI-O does not start. */
const restricted: readonly string[] = [
  'io.kubernetes.cri.rdt-class',
  'run.oci.',
  'io.containers.trace-syscall',
  'org.systemd.property.',
  'org.criu.config',
  'module.wasm.image/variant',
  'io.kubernetes.cri-o.userns-mode',
  'io.kubernetes.cri-o.cgroup2-mount-hierarchy-rw',
  'io.kubernetes.cri-o.UnifiedCgroup',
  'io.kubernetes.cri-o.Spoofed',
  'io.kubernetes.cri-o.ShmSize',
  'io.kubernetes.cri-o.Devices',
  'io.kubernetes.cri-o.TrySkipVolumeSELinuxLabel',
  'io.kubernetes.cri-o.seccompNotifierAction',
  'io.kubernetes.cri-o.umask',
  'io.kubernetes.cri-o.PodLinuxOverhead',
  'io.kubernetes.cri-o.PodLinuxResources',
  'io.kubernetes.cri-o.LinkLogs',
  'io.kubernetes.cri-o.PlatformRuntimePath',
  'seccomp-profile.kubernetes.cri-o.io',
]

/** Those that must be allowed for annotations of these keys and patterns (`*` at the end matches any tail) to reach the runtime. */
export function allowedFor(patterns: readonly string[]): readonly string[] {
  return restricted.filter((name) => patterns.some((pattern) => overlap(pattern, name)))
}

/** CRI-O restricts by prefix: `run.oci.` stands for every key that begins so. */
function overlap(pattern: string, prefix: string): boolean {
  const start = pattern.replace(/\*$/, '')
  return start.startsWith(prefix) || (pattern.endsWith('*') && prefix.startsWith(start))
}
