import { containerdConfig } from '../containerd-config.ts'
import { hostAddress, registryPort } from '../network.ts'
import type { NodeEngine } from './engine.ts'

const registry = `${hostAddress}:${registryPort}`

const registryHosts = {
  [`/etc/containerd/certs.d/${registry}/hosts.toml`]: `server = "http://${registry}"

[host."http://${registry}"]
  capabilities = ["pull", "resolve", "push"]
`,
}

/** The containerd of the release: 1.6 or 1.7. */
export const containerd: NodeEngine = {
  base: '',
  packages: ['containerd', 'runc', 'crun', 'containernetworking-plugins'],
  brought: {},
  criSocket: 'unix:///var/run/containerd/containerd.sock',
  enabled: [],
  files: (plan) => ({ '/etc/containerd/config.toml': containerdConfig(2, plan), ...registryHosts }),
  serving: ['ctr', 'version'],
  importing: async () => ['ctr', '--namespace=k8s.io', 'images', 'import', '-'],
}

/** containerd 2 in /usr/local, over the package of the release: its programs are copied there when the node is made. */
export const containerd2: NodeEngine = {
  ...containerd,
  files: (plan) => ({
    '/etc/containerd/config.toml': containerdConfig(3, plan),
    ...registryHosts,
    '/usr/local/lib/systemd/system/containerd.service': unit,
  }),
}

const unit = `[Unit]
Description=containerd container runtime
Documentation=https://containerd.io
After=network.target dbus.service

[Service]
ExecStart=/usr/local/bin/containerd
Type=notify
Delegate=yes
KillMode=process
Restart=always
RestartSec=5
LimitNPROC=infinity
LimitCORE=infinity
TasksMax=infinity
OOMScoreAdjust=-999

[Install]
WantedBy=multi-user.target
`
