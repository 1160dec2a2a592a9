/** Docker's units and files on a host, with the cri-dockerd through which a kubelet talks to it since Kubernetes 1.24. */

export const dockerUnit = 'docker.service'
export const criUnit = 'cri-docker.service'

/** containerd is another engine with a unit of its own, and may have other users. */
export const units: readonly string[] = ['docker.socket', dockerUnit, 'cri-docker.socket', criUnit]

export const endpoint = 'unix:///run/cri-dockerd.sock'
export const defaultConfig = '/etc/docker/daemon.json'
