import { hostAddress, registryPort } from '../network.ts'
import { ociAdapterFolder } from '../oci-adapter.ts'
import type { NodeEngine } from './engine.ts'

/**
 * Docker with cri-dockerd, as their packages leave them: containerd is there because Docker needs it, with the file that
 * its package brings.
 */
export const docker: NodeEngine = {
  base: 'docker',
  packages: ['docker.io', 'docker-cli', 'containerd', 'runc', 'crun', 'containernetworking-plugins', 'skopeo'],
  brought: { 'cri-dockerd': '/usr/bin/cri-dockerd' },
  criSocket: 'unix:///var/run/cri-dockerd.sock',
  enabled: ['cri-docker.socket', 'cri-docker.service'],
  files: ({ cgroupDriver, sandboxImage }) => ({
    '/etc/docker/daemon.json': `${JSON.stringify(
      {
        'exec-opts': [`native.cgroupdriver=${cgroupDriver}`],
        'log-driver': 'json-file',
        'log-opts': { 'max-size': '100m' },
        'storage-driver': 'overlay2',
        'insecure-registries': [`${hostAddress}:${registryPort}`],
        // The machine may have no CAP_SYS_RESOURCE, and runc would start nothing.
        'default-runtime': 'adapted',
        runtimes: { adapted: { path: `${ociAdapterFolder}/runc` } },
      },
      null,
      2,
    )}\n`,
    '/usr/lib/systemd/system/cri-docker.socket': socket,
    '/usr/lib/systemd/system/cri-docker.service': service(sandboxImage),
  }),
  serving: ['docker', 'info'],
  importing: async () => ['docker', 'load', '--quiet'],
}

const socket = `[Unit]
Description=CRI Docker Socket for the API
PartOf=cri-docker.service

[Socket]
ListenStream=%t/cri-dockerd.sock
SocketMode=0660
SocketUser=root
SocketGroup=docker

[Install]
WantedBy=sockets.target
`

const service = (sandboxImage: string): string => `[Unit]
Description=CRI Interface for Docker Application Container Engine
After=network-online.target firewalld.service docker.service
Wants=network-online.target
Requires=cri-docker.socket

[Service]
Type=notify
ExecStart=/usr/bin/cri-dockerd --container-runtime-endpoint fd:// --pod-infra-container-image=${sandboxImage} --network-plugin=cni --cni-bin-dir=/usr/lib/cni --cni-conf-dir=/etc/cni/net.d
ExecReload=/bin/kill -s HUP $MAINPID
TimeoutSec=0
RestartSec=2
Restart=always
StartLimitBurst=3
StartLimitInterval=60s
LimitNOFILE=infinity
LimitNPROC=infinity
LimitCORE=infinity
TasksMax=infinity
Delegate=yes
KillMode=process

[Install]
WantedBy=multi-user.target
`
