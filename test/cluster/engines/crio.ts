import { hostAddress, registryPort } from '../network.ts'
import { ociAdapterFolder } from '../oci-adapter.ts'
import { must } from '../process.ts'
import type { NodeEngine } from './engine.ts'

/** CRI-O as a person installs its bundle, with the packages of the release where there are some. */
export const crio: NodeEngine = {
  base: 'crio',
  packages: ['conmon', 'runc', 'crun', 'containernetworking-plugins', 'skopeo'],
  brought: { crio: '/usr/local/bin/crio', pinns: '/usr/local/bin/pinns' },
  criSocket: 'unix:///var/run/crio/crio.sock',
  enabled: ['crio.service'],
  files: ({ cgroupDriver, sandboxImage }) => ({
    '/etc/crio/crio.conf.d/10-platform.conf': `# CRI-O on Kubernetes nodes. Owner: platform team.
[crio.image]
pause_image = "${sandboxImage}" # what kubeadm of this cluster expects

[crio.network]
network_dir = "/etc/cni/net.d/"
plugin_dirs = ["/usr/lib/cni/"]   # Debian's place, not /opt/cni/bin

[crio.runtime]
cgroup_manager = "${cgroupDriver}" # the kubelet asks for it
conmon_cgroup = "${cgroupDriver === 'systemd' ? 'system.slice' : 'pod'}"
default_runtime = "runc"
pids_limit = 4096

[crio.runtime.runtimes.runc]
runtime_path = "${ociAdapterFolder}/runc"
runtime_root = "/run/runc"
monitor_path = "/usr/bin/conmon"
`,
    '/etc/containers/policy.json': '{"default": [{"type": "insecureAcceptAnything"}]}\n',
    '/etc/containers/registries.conf.d/10-testbed.conf': `[[registry]]
location = "${hostAddress}:${registryPort}"
insecure = true
`,
    '/usr/local/lib/systemd/system/crio.service': unit,
  }),
  serving: ['crio', 'status', 'info'],
  importing: async (archive: string) => {
    const listing = await must(['tar', '--extract', '--to-stdout', '--file', archive, 'manifest.json'])
    const [image] = JSON.parse(listing) as { RepoTags: string[] }[]
    return ['sh', '-euc', importing, 'sh', '/var/tmp/importing.tar', ...(image?.RepoTags ?? [])]
  },
}

/** skopeo reads an archive more than once: it must be a file. */
const importing =
  'file=$1; shift; cat > "$file"; for name; do skopeo copy --quiet "docker-archive:$file:$name" "containers-storage:$name"; done; rm "$file"'

const unit = `[Unit]
Description=Container Runtime Interface for OCI (CRI-O)
Documentation=https://github.com/cri-o/cri-o
Wants=network-online.target
Before=kubelet.service
After=network-online.target

[Service]
Type=notify
EnvironmentFile=-/etc/sysconfig/crio
ExecStart=/usr/local/bin/crio $CRIO_CONFIG_OPTIONS $CRIO_RUNTIME_OPTIONS $CRIO_STORAGE_OPTIONS $CRIO_NETWORK_OPTIONS $CRIO_METRICS_OPTIONS
ExecReload=/bin/kill -s HUP $MAINPID
TasksMax=infinity
LimitNOFILE=1048576
LimitNPROC=1048576
LimitCORE=infinity
OOMScoreAdjust=-999
TimeoutStartSec=0
Restart=on-failure
RestartSec=10

[Install]
WantedBy=multi-user.target
Alias=cri-o.service
`
