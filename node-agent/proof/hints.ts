/** What to do about things that engines say, where their words do not tell. First match wins. */

const hints: readonly (readonly [pattern: RegExp, hint: string])[] = [
  [/expected cgroupsPath to be of format/, 'the engine uses cgroup driver systemd where cgroupfs was expected'],
  [/received systemd slice as parent/, 'the engine uses cgroup driver cgroupfs where systemd was expected'],
  [/did not receive slice as parent/, 'the engine uses cgroup driver systemd where cgroupfs was expected'],
  [/policy\.json: no such file/, 'CRI-O has no signature policy: write /etc/containers/policy.json'],
  [
    /no runtime for .* is configured|failed to find runtime handler/,
    'the handler is not in the configuration that the engine runs with',
  ],
  [
    /cni plugin not initialized|NetworkPluginNotReady/,
    'there is no valid network configuration in the engine’s CNI folder',
  ],
  [/failed to find plugin/, 'the engine’s CNI program folder (bin_dir) is not where the plugins are'],
  [/failed to get sandbox image|sandbox image .* not found/, 'the pause image is not on the node and cannot be pulled'],
  [/container\.Runtime\.Name must be set/, 'the handler’s table has no runtime_type'],
  [
    /executable file not found|no such file or directory: unknown/,
    'the handler’s program is not where its configuration says',
  ],
  [
    /did not terminate successfully/,
    'the handler’s program starts and fails: try it by hand, or name another binary in the profile',
  ],
  [/is reserved for/, 'remains of an earlier pod are in the way: remove that sandbox'],
]

/** The sentence with what to look at appended, when that is known. */
export function withHint(message: string): string {
  const hint = hints.find(([pattern]) => pattern.test(message))?.[1]
  return hint ? `${message} (${hint})` : message
}
