/** What a node is, apart from what runs there: the same again after a move there and back. */
import type { Bed } from '../nodes/migration/bed.ts'

/** Written by nobody's decision: caches, identities, and Drydock's own files, which stay as long as it is installed. */
const passing =
  /^\/etc\/(ld\.so\.cache|machine-id|resolv\.conf|mtab|\.pwd\.lock|apt\/|.*-$)|drydock|\/etc\/systemd\/system\/[^/]+\.wants$/

const units = [
  ...['containerd.service', 'docker.service', 'docker.socket', 'cri-docker.service', 'cri-docker.socket'],
  ...['crio.service', 'kubelet.service'],
]

const list = `
find /etc /usr/lib/systemd/system /usr/local/lib/systemd /var/lib/kubelet/config.yaml /var/lib/kubelet/instance-config.yaml \\
  /var/lib/kubelet/kubeadm-flags.env -xdev \\( -type f -o -type l \\) 2>/dev/null | sort | while read -r path; do
  if [ -L "$path" ]; then echo "$path -> $(readlink "$path")"; else echo "$path $(stat -c '%a %U' "$path") $(sha256sum < "$path")"; fi
done
for unit in ${units.join(' ')}; do echo "unit $unit $(systemctl is-enabled "$unit" 2>/dev/null) $(systemctl is-active "$unit")"; done
dpkg-query -W -f 'package \${Package} \${Version} \${db:Status-Abbrev}\\n' containerd runc crun docker.io 2>/dev/null || true
apt-mark showhold | sed 's/^/hold /'
`

/** A line for each file, unit and package; two images can be compared line by line. */
export async function imageOf(bed: Bed, node: string): Promise<readonly string[]> {
  const lines = (await bed.shell(node, list)).split('\n').filter(Boolean)
  return lines.filter((line) => !passing.test(line.split(' ')[0] ?? ''))
}

/** What only one of two images has. */
export function differences(before: readonly string[], after: readonly string[]): readonly string[] {
  return [
    ...before.filter((line) => !after.includes(line)).map((line) => `- ${line}`),
    ...after.filter((line) => !before.includes(line)).map((line) => `+ ${line}`),
  ]
}
