/** containerd's release archive (`containerd-<version>-linux-<arch>.tar.gz`): its programs in bin, without runc. */
import { join } from 'node:path/posix'
import type { Layout } from '../engine.ts'
import { defaultSearchPath } from '../programs.ts'
import { unit } from './paths.ts'

const program = 'bin/containerd'
const programs = 'bin'

/** The shims of the archive come first: an older one from the host does not speak to a newer containerd in every way. */
function service(folder: string): string {
  return `Environment=PATH=${join(folder, programs)}:${defaultSearchPath}
ExecStart=${join(folder, program)}
`
}

export const layout: Layout = {
  program,
  programFolders: [programs],
  unit,
  // As upstream's: KillMode=process keeps containers alive over a restart, and without LimitNOFILE they get systemd's limits.
  unitText: (folder) => `# Written by Drydock.
[Unit]
Description=containerd container runtime
Documentation=https://containerd.io
After=network.target dbus.service
Before=kubelet.service

[Service]
ExecStartPre=-/sbin/modprobe overlay
${service(folder)}Type=notify
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
`,
  dropInText: (folder) => `# Written by Drydock.
[Service]
ExecStart=
${service(folder)}`,
}
