/** The systemd units of the engine. The installer writes them, Remove takes them away. */
import { courierID, engineSocket } from '../../crds/protocol.ts'

export interface Unit {
  readonly name: string
  readonly text: string
  /** Whether it stands by from now on and from each boot. The others are started by these. */
  readonly enabled: boolean
}

export const unitFolder = '/etc/systemd/system'
export const socketUnit = 'drydock-engine.socket'
const engineUnit = 'drydock-engine.service'
const bootUnit = 'drydock-boot.service'

export const unitNames = [socketUnit, engineUnit, bootUnit] as const

/** The dynamic loader, by `process.arch`. */
const loaders: Readonly<Record<string, string>> = { x64: 'ld-linux-x86-64.so.2', arm64: 'ld-linux-aarch64.so.1' }

/**
 * Memory of a node is for pods: the engine waits for others most of its short life, and needs no compiler for that. Without
 * its snapshot Node starts 70 ms later and takes 3 MB less; a collection by several threads takes 6 MB more for a moment;
 * the CA certificates that Node brings, which it would read as soon as HTTP/2 is loaded, take 1 MB and are no use here.
 */
const nodeFlags = [
  '--lite-mode',
  '--no-node-snapshot',
  '--single-threaded-gc',
  '--max-semi-space-size=1',
  '--v8-pool-size=0',
  '--use-openssl-ca',
  // For the one place that makes much garbage at a time: a download.
  '--expose-gc',
]

/** Whatever a node may call its engines and its kubelet; those that are not there are ignored. */
const nodeUnits = 'containerd.service crio.service docker.service cri-docker.service kubelet.service'

/**
 * The socket brings the boot unit into each boot: in sockets.target it is part of every one, and needs nothing itself.
 * Not `SocketGroup=`: systemd refuses a number that is no group of the host (status=216/GROUP).
 */
const socket = `[Unit]
Description=Drydock node engine, socket
Wants=${bootUnit}

[Socket]
ListenStream=${engineSocket}
SocketMode=0660
ExecStartPost=chgrp ${courierID} ${engineSocket}
DirectoryMode=0755
RemoveOnStop=yes

[Install]
WantedBy=sockets.target
`

/**
 * Restarts without limit: an open change must come to its end. An orderly end, when idle, is no failure. What V8 takes to
 * parse the bundle, 3 MB in pieces of 32 kB, goes back to the kernel when it is given a mapping of its own, and stays with
 * the process otherwise.
 */
const engine = (command: string): string => `[Unit]
Description=Drydock node engine
After=${bootUnit} ${nodeUnits}
RequiresMountsFor=/var/lib/drydock /opt/drydock
StartLimitIntervalSec=0

[Service]
ExecStart=${command}
Restart=on-failure
RestartSec=1
Environment=MALLOC_ARENA_MAX=1 MALLOC_MMAP_THRESHOLD_=32768
# Not narrower: what skopeo and apt-get create for others is created under it, and a container's root folder that only
# root may enter is no use to anybody else. Files of the engine's own have modes of their own.
UMask=0022
TimeoutStopSec=30
`

/**
 * Only with an open change, before anything reads the files. It asks for the engine first: that one is ordered after this
 * unit, and is to follow also when this one fails.
 */
const boot = (command: string): string => `[Unit]
Description=Drydock node engine, undoing of an unproven change at boot
ConditionPathExists=/var/lib/drydock/journal
Before=${nodeUnits}
RequiresMountsFor=/var/lib/drydock /opt/drydock

[Service]
Type=oneshot
ExecStartPre=systemctl --no-block start ${engineUnit}
ExecStart=${command} boot
UMask=0077
TimeoutStartSec=60
`

/** `folder` holds `node`, `lib/` and `engine.cjs`. Throws for a machine type that there is no loader for. */
export function unitsOf(folder: string, arch: string = process.arch): readonly Unit[] {
  const loader = loaders[arch]
  if (!loader) throw new Error(`Drydock has no engine for machines of type ${arch}.`)
  const node = `${folder}/lib/${loader} --library-path ${folder}/lib ${folder}/node`
  const command = `${node} ${nodeFlags.join(' ')} ${folder}/engine.cjs`
  return [
    { name: engineUnit, text: engine(command), enabled: false },
    { name: bootUnit, text: boot(command), enabled: false },
    { name: socketUnit, text: socket, enabled: true },
  ]
}
