/** Where CRI-O keeps things, and where its settings sit in its configuration. */
import type { Path } from '../toml/tree.ts'

export const unit = 'crio.service'
/** The kubelet tells CRI-O by the end of this path: it is never moved. */
export const endpoint = 'unix:///var/run/crio/crio.sock'

export const defaultConfig = '/etc/crio/crio.conf'
export const defaultDropIns = '/etc/crio/crio.conf.d'
/** Sorts after the drop-ins of packages and of most tools: what CRI-O reads last wins. */
export const dropInName = '99-drydock.conf'

/** Where CRI-O looks for a policy unless its configuration names one. Without any, it pulls no image at all. */
export const hostPolicy = '/etc/containers/policy.json'
export const ownPolicy = '/etc/crio/policy.json'
export const registries = '/etc/containers/registries.conf'
export const registriesDropIns = '/etc/containers/registries.conf.d'
export const ownRegistries = '/etc/containers/registries.conf.d/90-drydock.conf'

export const cniConfig = '/etc/cni/net.d'
/** Folders with CNI plugins: upstream's, Debian's, Fedora's. */
export const cniFolders: readonly string[] = ['/opt/cni/bin', '/usr/lib/cni', '/usr/libexec/cni']

export const runtime: Path = ['crio', 'runtime']
export const runtimes: Path = [...runtime, 'runtimes']
export const defaultRuntime: Path = [...runtime, 'default_runtime']
export const cgroupManager: Path = [...runtime, 'cgroup_manager']
export const monitorCgroup: Path = [...runtime, 'conmon_cgroup']
export const monitor: Path = [...runtime, 'conmon']
export const pinns: Path = [...runtime, 'pinns_path']
export const pauseImage: Path = ['crio', 'image', 'pause_image']
export const signaturePolicy: Path = ['crio', 'image', 'signature_policy']
export const pluginFolders: Path = ['crio', 'network', 'plugin_dirs']
export const listen: Path = ['crio', 'api', 'listen']
