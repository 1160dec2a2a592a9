export type CgroupDriver = 'cgroupfs' | 'systemd'

export interface ContainerdSettings {
  cgroupDriver: CgroupDriver
  sandboxImage: string
}

/**
 * /etc/containerd/config.toml as a careful person wrote it: comments, own order and spacing, one setting that is
 * nobody's default. Tools that change the file must keep all of that.
 */
export function containerdConfig(version: 2 | 3, settings: ContainerdSettings): string {
  return version === 2 ? version2(settings) : version3(settings)
}

// Every node sets restrict_oom_score_adj: a machine without CAP_SYS_RESOURCE cannot lower the score that containerd
// asks for, and no container would start.

function version2({ cgroupDriver, sandboxImage }: ContainerdSettings): string {
  return `# containerd on Kubernetes nodes. Owner: platform team.
# Change here first, then on the other nodes of the pool.
version = 2

root  = "/var/lib/containerd"
state = "/run/containerd"

[grpc]
  address = "/run/containerd/containerd.sock"

[debug]
  level = "info" # "debug" fills the journal within a day

[plugins]

  [plugins."io.containerd.grpc.v1.cri"]
    # what kubeadm of this cluster expects ("kubeadm config images list")
    sandbox_image = "${sandboxImage}"
    max_container_log_line_size = 32768
    restrict_oom_score_adj = true

    [plugins."io.containerd.grpc.v1.cri".cni]
      bin_dir  = "/usr/lib/cni"     # Debian's place, not /opt/cni/bin
      conf_dir = "/etc/cni/net.d"

    [plugins."io.containerd.grpc.v1.cri".registry]
      config_path = "/etc/containerd/certs.d"

    [plugins."io.containerd.grpc.v1.cri".containerd]
      default_runtime_name = "runc"

      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
        runtime_type = "io.containerd.runc.v2"

        [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
          SystemdCgroup = ${cgroupDriver === 'systemd'} # the kubelet's cgroupDriver must say the same
`
}

function version3({ cgroupDriver, sandboxImage }: ContainerdSettings): string {
  return `# containerd 2 on Kubernetes nodes. Owner: platform team.
version = 3

root  = "/var/lib/containerd"
state = "/run/containerd"

[grpc]
  address = "/run/containerd/containerd.sock"

[plugins]

  [plugins."io.containerd.cri.v1.images"]
    [plugins."io.containerd.cri.v1.images".pinned_images]
      sandbox = "${sandboxImage}" # what kubeadm of this cluster expects

    [plugins."io.containerd.cri.v1.images".registry]
      config_path = "/etc/containerd/certs.d"

  [plugins."io.containerd.cri.v1.runtime"]
    max_container_log_line_size = 32768
    restrict_oom_score_adj = true

    [plugins."io.containerd.cri.v1.runtime".cni]
      bin_dirs = ["/usr/lib/cni"]
      conf_dir = "/etc/cni/net.d"

    [plugins."io.containerd.cri.v1.runtime".containerd]
      default_runtime_name = "runc"

      [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
        runtime_type = "io.containerd.runc.v2"

        [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
          SystemdCgroup = ${cgroupDriver === 'systemd'} # the kubelet's cgroupDriver must say the same
`
}
