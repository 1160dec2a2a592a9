/** CRI-O's static bundle (`cri-o.<arch>.<version>.tar.gz`): crio with conmon, pinns, runc and crun of its own. */
import { join } from 'node:path/posix'
import type { Layout } from '../engine.ts'
import { defaultSearchPath } from '../programs.ts'
import { unit } from './paths.ts'

const program = 'cri-o/bin/crio'
const programs = 'cri-o/bin'

/** Options come from where packages have them, so that a host keeps its own. conmon and pinns are found by PATH. */
function service(folder: string): string {
  return `Environment=PATH=${join(folder, programs)}:${defaultSearchPath}
ExecStart=${join(folder, program)} $CRIO_CONFIG_OPTIONS $CRIO_RUNTIME_OPTIONS $CRIO_STORAGE_OPTIONS $CRIO_NETWORK_OPTIONS $CRIO_METRICS_OPTIONS
`
}

export const layout: Layout = {
  program,
  programFolders: [programs],
  unit,
  unitText: (folder) => `# Written by Drydock.
[Unit]
Description=Container Runtime Interface for OCI (CRI-O)
Documentation=https://github.com/cri-o/cri-o
Wants=network-online.target
Before=kubelet.service
After=network-online.target

[Service]
Type=notify
EnvironmentFile=-/etc/default/crio
EnvironmentFile=-/etc/sysconfig/crio
Environment=GOTRACEBACK=crash
${service(folder)}ExecReload=/bin/kill -s HUP $MAINPID
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
`,
  dropInText: (folder) => `# Written by Drydock.
[Service]
ExecStart=
${service(folder)}`,
}
