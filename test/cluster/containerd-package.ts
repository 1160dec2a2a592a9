import { chmod, copyFile, mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Cache } from './cache.ts'
import { must } from './process.ts'

/** containerd 2 as a Debian package that is newer than the release's own, laid out as that is. */
export interface Containerd2 {
  /** Folder with containerd, its shim and ctr. */
  folder: string
  /** For instance 2.3.7. */
  version: string
}

/** A folder that is a flat apt repository with that one package. */
export async function newerContainerd(cache: Cache, { folder, version }: Containerd2): Promise<string> {
  return cache.get({
    name: 'packages-newer',
    key: JSON.stringify([folder, version, control(version), files, scripts]),
    build: async (target) => {
      const root = join(target, 'root')
      for (const name of ['containerd', 'containerd-shim-runc-v2', 'ctr']) {
        await mkdir(join(root, 'usr/bin'), { recursive: true })
        await copyFile(join(folder, name), join(root, 'usr/bin', name))
      }
      const texts = {
        ...files,
        'DEBIAN/control': control(version),
        'DEBIAN/conffiles': '/etc/containerd/config.toml\n',
      }
      for (const [path, text] of Object.entries(texts)) {
        await mkdir(join(root, dirname(path)), { recursive: true })
        await writeFile(join(root, path), text)
      }
      for (const [name, text] of Object.entries(scripts)) {
        await writeFile(join(root, 'DEBIAN', name), text)
        await chmod(join(root, 'DEBIAN', name), 0o755)
      }
      // Little compression: it is served on this computer only.
      await must(['dpkg-deb', '--root-owner-group', '-Zgzip', '-z1', '--build', root, target])
      await must(['rm', '-r', root])
      await writeFile(join(target, 'Packages'), await must(['apt-ftparchive', 'packages', '.'], { cwd: target }))
      await writeFile(join(target, 'Release'), await must(['apt-ftparchive', 'release', '.'], { cwd: target }))
    },
  })
}

const control = (version: string): string => `Package: containerd
Version: ${version}~ds1-1
Architecture: ${process.arch === 'x64' ? 'amd64' : process.arch}
Maintainer: Drydock test bed <testbed@drydock.dev>
Depends: runc (>= 1.0)
Section: admin
Priority: optional
Description: open and reliable container runtime
 The programs of the upstream release in the places of the release's own package.
`

const files = {
  'etc/containerd/config.toml': `version = 3

[plugins]
  [plugins.'io.containerd.cri.v1.runtime'.cni]
    bin_dirs = ['/usr/lib/cni']
    conf_dir = '/etc/cni/net.d'
`,
  'usr/lib/systemd/system/containerd.service': `[Unit]
Description=containerd container runtime
Documentation=https://containerd.io
After=network.target dbus.service

[Service]
ExecStartPre=-/sbin/modprobe overlay
ExecStart=/usr/bin/containerd
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
`,
}

/** They do what those of Debian's packages with a service do: enable it once, start it, restart it after an upgrade. */
const scripts = {
  postinst: `#!/bin/sh
set -e
case "$1" in configure | abort-upgrade | abort-deconfigure | abort-remove) ;; *) exit 0 ;; esac
deb-systemd-helper unmask containerd.service >/dev/null || true
if deb-systemd-helper --quiet was-enabled containerd.service; then
  deb-systemd-helper enable containerd.service >/dev/null || true
else
  deb-systemd-helper update-state containerd.service >/dev/null || true
fi
if [ -d /run/systemd/system ]; then
  systemctl --system daemon-reload >/dev/null || true
  if [ -n "$2" ]; then action=restart; else action=start; fi
  deb-systemd-invoke "$action" containerd.service >/dev/null || true
fi
`,
  prerm: `#!/bin/sh
set -e
if [ -z "$DPKG_ROOT" ] && [ "$1" = remove ] && [ -d /run/systemd/system ]; then
  deb-systemd-invoke stop containerd.service >/dev/null || true
fi
`,
  postrm: `#!/bin/sh
set -e
if [ "$1" = remove ] && [ -d /run/systemd/system ]; then systemctl --system daemon-reload >/dev/null || true; fi
if [ "$1" = purge ] && [ -x /usr/bin/deb-systemd-helper ]; then
  deb-systemd-helper purge containerd.service >/dev/null || true
fi
`,
}
