// Generated from the schemas in crds/ by `npm run generate`. Do not edit.

/** The part of Kubernetes' metadata that Drydock reads or writes. */
export interface ObjectMeta {
  name: string
  uid?: string
  generation?: number
  resourceVersion?: string
  creationTimestamp?: string
  deletionTimestamp?: string
  labels?: Record<string, string>
  annotations?: Record<string, string>
  finalizers?: string[]
  ownerReferences?: { apiVersion: string; kind: string; name: string; uid: string; controller?: boolean; blockOwnerDeletion?: boolean }[]
}

/** A RuntimeProfile says what container runtime a set of nodes should run; Drydock takes the nodes there one by one. */
export interface RuntimeProfile {
  apiVersion: 'drydock.dev/v1alpha1'
  kind: 'RuntimeProfile'
  metadata: ObjectMeta
  spec: RuntimeProfileSpec
  status?: RuntimeProfileStatus
}

/** A NodeRuntime is the order to one node and its answer. Drydock writes it; read it to see what a node does. */
export interface NodeRuntime {
  apiVersion: 'drydock.dev/v1alpha1'
  kind: 'NodeRuntime'
  metadata: ObjectMeta
  spec?: NodeRuntimeSpec
  status?: NodeRuntimeStatus
}

/** A MigrationReport is the record of one rollout: per node what was, what is, what it took and what went wrong. */
export interface MigrationReport {
  apiVersion: 'drydock.dev/v1alpha1'
  kind: 'MigrationReport'
  metadata: ObjectMeta
  spec: MigrationReportSpec
  status?: MigrationReportStatus
}

/**
 * What the nodes should run, and how they get there.
 */
export interface RuntimeProfileSpec {
/**
 * Selects the nodes that the profile is for. An empty selector selects every node.
 */
nodeSelector: {
/**
 * Labels that must be there, all of them.
 */
matchLabels?: {
/**
 * The value of the label.
 */
[k: string]: string
}
/**
 * Requirements on labels that must be met, all of them.
 * 
 * Items: One requirement on a label.
 */
matchExpressions?: {
/**
 * The label key that the requirement is about.
 */
key: string
/**
 * How the label relates to the values.
 */
operator: ("In" | "NotIn" | "Exists" | "DoesNotExist")
/**
 * The values for In and NotIn.
 * 
 * Items: One value.
 */
values?: string[]
}[]
}
/**
 * The container engine under the kubelet.
 */
engine: {
/**
 * The engine: containerd or cri-o.
 */
name: ("containerd" | "cri-o")
/**
 * The version that must be there: exact (2.3.7), a minor (2.3) or a major (2). Absent: whatever is installed.
 */
version?: string
/**
 * Where the engine comes from. Exactly one of the three. Absent: the same as preinstalled.
 */
source?: {
/**
 * The packages of the node’s own distribution (apt, dnf, zypper). A package that is held is changed all the same, and held again afterwards.
 */
package?: {

}
/**
 * A release archive in the upstream layout of the engine.
 */
archive?: {
/**
 * An https address of the archive.
 */
url: string
/**
 * The SHA-256 of the file behind the address, in lower-case hexadecimal.
 */
sha256: string
/**
 * A release archive of the CNI plugins, for nodes whose own are too old or missing.
 */
cniPlugins?: {
/**
 * An https address of the archive.
 */
url: string
/**
 * The SHA-256 of the file behind the address, in lower-case hexadecimal.
 */
sha256: string
}
}
/**
 * The engine is on the node already; Drydock only configures it, and switches to it.
 */
preinstalled?: {

}
}
}
/**
 * The cgroup driver of kubelet and engine, always changed as one pair. Absent: as found.
 */
cgroupDriver?: ("systemd" | "cgroupfs")
/**
 * The cgroup version that the node must have. Absent: as found.
 */
cgroupVersion?: ("v1" | "v2")
/**
 * The OCI runtimes of the nodes. Handlers that somebody else put into the engine’s file stay.
 * 
 * Items: One OCI runtime that pods can ask for.
 */
handlers?: {
/**
 * Name of the handler: a DNS label, what a RuntimeClass refers to.
 */
name: string
/**
 * The kind of OCI runtime. Absent: the same as the name.
 */
type?: ("runc" | "crun" | "runsc" | "kata")
/**
 * Whether pods without a RuntimeClass use this handler. At most one handler is the default.
 */
default?: boolean
/**
 * Absolute path of the OCI runtime on the node. Absent: the first found in the engine’s own search path.
 */
binary?: string
/**
 * The program of a runc or crun release, a single file. Absent: a program that is on the node already.
 */
archive?: {
/**
 * An https address of the program.
 */
url: string
/**
 * The SHA-256 of the file behind the address, in lower-case hexadecimal.
 */
sha256: string
}
/**
 * Options that the engine hands to runc and crun.
 */
options?: {
/**
 * Absolute path of the runtime’s state directory.
 */
root?: string
/**
 * Do not create a new session keyring for containers.
 */
noNewKeyring?: boolean
}
/**
 * Annotations of a pod that the engine hands to the runtime; * matches any tail.
 * 
 * Items: An annotation key or pattern.
 */
podAnnotations?: string[]
/**
 * Privileged containers of this handler do not get the host’s devices.
 */
privilegedWithoutHostDevices?: boolean
/**
 * Create a RuntimeClass for the handler, scheduled to nodes where the handler is proven.
 */
runtimeClass?: {
/**
 * Name of the RuntimeClass. Absent: the name of the handler.
 */
name?: string
}
}[]
/**
 * The pause image of every pod.
 */
sandboxImage?: string
/**
 * Mirrors of image registries.
 * 
 * Items: How images of one registry host are fetched.
 */
registries?: {
/**
 * The registry host as image names have it, such as docker.io or registry.example:5000.
 */
host: string
/**
 * Mirrors, tried in order before the host itself.
 * 
 * Items: One mirror.
 */
mirrors?: {
/**
 * Address of the mirror.
 */
url: string
/**
 * What the mirror may be asked for.
 * 
 * Items: One capability.
 */
capabilities?: ("pull" | "resolve")[]
}[]
}[]
/**
 * Proxy settings of the engine.
 */
proxy?: {
/**
 * Proxy for http addresses.
 */
httpProxy?: string
/**
 * Proxy for https addresses.
 */
httpsProxy?: string
/**
 * Hosts, domains and CIDRs that are reached directly.
 * 
 * Items: One host, domain or CIDR.
 */
noProxy?: string[]
}
/**
 * TOML of your own, merged last into the engine’s configuration.
 */
engineConfig?: string
/**
 * What happens when a node gets another engine.
 */
migration?: {
/**
 * How images reach the store of the new engine: transfer carries those that the node’s pods need from the old one, pull fetches them from their registries before the kubelet starts again. Absent: the kubelet pulls what it needs.
 */
images?: ("transfer" | "pull")
/**
 * What becomes of the former engine: keep leaves it running for others, disable stops it and keeps it from starting, purge also removes its store after the soak. Absent: disable, but refused as long as containers run on it that are not the kubelet’s.
 */
previousEngine?: ("keep" | "disable" | "purge")
}
/**
 * How fast and under which conditions nodes are changed.
 */
rollout?: {
/**
 * How many of the profile’s nodes may be out of service at once, as a number or a percentage (rounded down, at least 1). Nodes that are unavailable for other reasons count.
 */
maxUnavailable?: number | string
/**
 * Change a few nodes first and watch them before the rest. A canary that fails stops the rollout whatever the failureBudget. Nodes that get back what they ran before wait for no canary.
 */
canary?: {
/**
 * How many nodes go first: a number, or a percentage of the profile’s nodes (rounded down, at least 1).
 */
nodes?: number | string
/**
 * How long the canary nodes must stay proven, Ready and without drift before the rest follows; counted anew when a canary was not Ready. A duration such as 90s, 10m or 1h30m.
 */
soak: string
}
/**
 * How many nodes may fail before the rollout stops. 1 stops at the first failure.
 */
failureBudget?: number
/**
 * When changes that disrupt may start: those that drain the node, and those that restart its engine. Nodes are prepared at any time, and a node under way finishes.
 */
window?: {
/**
 * Start of the window as a cron expression of five fields. A start that the clock skips in spring is made up for right after; one that comes twice in autumn counts once, unless its hour or minute has a * or a step.
 */
cron: string
/**
 * How long the window stays open. A duration such as 90s, 10m or 1h30m.
 */
duration: string
/**
 * IANA name of the time zone of the cron expression.
 */
timeZone?: string
}
/**
 * Conditions that must hold before each node starts: asked when a node could start, and every 30 seconds while one does not hold. Nodes under way finish.
 * 
 * Items: One gate.
 */
gates?: {
/**
 * Name of the gate.
 */
name: string
/**
 * What the expression is about: one object by its name, or all of a kind. The chart’s value operator.gateRules must let the operator read it.
 */
object: {
/**
 * Group and version, such as apps/v1; v1 for the core group.
 */
apiVersion: string
/**
 * Kind, such as Deployment.
 */
kind: string
/**
 * Namespace of a kind that has one. Absent: the objects of all namespaces.
 */
namespace?: string
/**
 * Name of the one object. While it is not there, the gate does not hold.
 */
name?: string
/**
 * Selects some of the kind. Absent: all of them, at most 500.
 */
labelSelector?: {
/**
 * Labels that must be there, all of them.
 */
matchLabels?: {
/**
 * The value of the label.
 */
[k: string]: string
}
/**
 * Requirements on labels that must be met, all of them.
 * 
 * Items: One requirement on a label.
 */
matchExpressions?: {
/**
 * The label key that the requirement is about.
 */
key: string
/**
 * How the label relates to the values.
 */
operator: ("In" | "NotIn" | "Exists" | "DoesNotExist")
/**
 * The values for In and NotIn.
 * 
 * Items: One value.
 */
values?: string[]
}[]
}
}
/**
 * A CEL expression that must be true: `object` is the object of that name, `objects` is the list of those that were selected. An expression that fails does not hold.
 */
cel: string
/**
 * What people read while the gate does not hold. Absent: the expression.
 */
message?: string
}[]
/**
 * How pods leave a node whose change disrupts them.
 */
drain?: {
/**
 * How long to wait for evictions and terminations before the node is given back unchanged. A duration such as 90s, 10m or 1h30m.
 */
timeout?: string
/**
 * Evict pods that use emptyDir volumes; their data is lost.
 */
deleteEmptyDirData?: boolean
/**
 * Evict pods that no controller will create again; they are gone.
 */
deleteUnmanagedPods?: boolean
/**
 * Delete pods instead of evicting them, which ignores PodDisruptionBudgets.
 */
disableEviction?: boolean
}
/**
 * Start no further node. Nodes under way finish.
 */
paused?: boolean
}
/**
 * How a node is proven after a change.
 */
verify?: {
/**
 * How long the node has to prove itself, from the stop of the kubelet to its healthy return; past it the node rolls back by itself. Images that are carried to another engine have a second more for each 10 MB. A duration such as 90s, 10m or 1h30m.
 */
timeout?: string
/**
 * Prove each node again at this interval, one at a time and within the window: the node stays in service, and its kubelet rests for the seconds that the proof takes. A node that fails its proof counts as failed. A duration such as 90s, 10m or 1h30m.
 */
every?: string
}
/**
 * What to do when a node no longer is what was proven: Report it, or Repair it by a new turn of that node; after three repairs within an hour it is reported only.
 */
drift?: ("Report" | "Repair")
}

/**
 * What the operator last saw.
 */
export interface RuntimeProfileStatus {
/**
 * The metadata.generation that this status speaks of.
 */
observedGeneration?: number
/**
 * Hash of the target that the spec asks for.
 */
revision?: string
/**
 * How many nodes are in which state.
 */
nodes?: {
/**
 * Nodes that the selector selects.
 */
selected?: number
/**
 * Nodes that run the current revision, proven.
 */
ready?: number
/**
 * Nodes under way: from the cordon to the uncordon.
 */
updating?: number
/**
 * Nodes that wait for their turn.
 */
waiting?: number
/**
 * Nodes whose change to the current revision was refused or rolled back.
 */
failed?: number
/**
 * Nodes out of service for any reason.
 */
unavailable?: number
}
/**
 * The one sentence that says where the rollout is or why it waits.
 */
message?: string
/**
 * Name of the MigrationReport of the current revision.
 */
report?: string
/**
 * Ready, Reconciling and Stalled, as kstatus reads them.
 * 
 * Items: One observation of the latest state.
 */
conditions?: {
/**
 * Type of the condition, in CamelCase.
 */
type: string
/**
 * Whether the condition holds: True, False or Unknown.
 */
status: ("True" | "False" | "Unknown")
/**
 * The metadata.generation that the condition was set upon.
 */
observedGeneration?: number
/**
 * When the status last changed.
 */
lastTransitionTime: string
/**
 * One CamelCase word that says why.
 */
reason: string
/**
 * A sentence for people.
 */
message: string
}[]
}

/**
 * The order of the operator to this node.
 */
export interface NodeRuntimeSpec {
/**
 * UID of the Node object that the order is for: a node that was replaced under the same name does not act on it.
 */
nodeUID?: string
/**
 * The RuntimeProfile behind the order.
 */
profile?: string
/**
 * Hash of the target; "original" asks for what the node ran before Drydock.
 */
revision?: string
/**
 * Counts the tries at one revision, so that a retry is told from a repetition.
 */
attempt?: number
/**
 * Fencing token: the leader epoch of the operator that wrote the order. An agent refuses a smaller one than it has seen.
 */
fence?: number
/**
 * How far the node may go: Observe, Prepare, Switch, Commit; or back: Rollback; or Drydock off the node: Remove.
 */
permit: ("Observe" | "Prepare" | "Switch" | "Commit" | "Rollback" | "Remove")
/**
 * What the node must run. Absent with a revision of "original": what the node ran before Drydock touched it.
 */
target?: {
/**
 * The engine.
 */
engine: {
/**
 * Name of the engine.
 */
name: ("containerd" | "cri-o")
/**
 * Version that must be there.
 */
version?: string
/**
 * Where the engine comes from. Exactly one of the three. Absent: the same as preinstalled.
 */
source?: {
/**
 * The packages of the node’s own distribution (apt, dnf, zypper). A package that is held is changed all the same, and held again afterwards.
 */
package?: {

}
/**
 * A release archive in the upstream layout of the engine.
 */
archive?: {
/**
 * An https address of the archive.
 */
url: string
/**
 * The SHA-256 of the file behind the address, in lower-case hexadecimal.
 */
sha256: string
/**
 * A release archive of the CNI plugins, for nodes whose own are too old or missing.
 */
cniPlugins?: {
/**
 * An https address of the archive.
 */
url: string
/**
 * The SHA-256 of the file behind the address, in lower-case hexadecimal.
 */
sha256: string
}
}
/**
 * The engine is on the node already; Drydock only configures it, and switches to it.
 */
preinstalled?: {

}
}
}
/**
 * The cgroup driver of kubelet and engine.
 */
cgroupDriver?: ("systemd" | "cgroupfs")
/**
 * The cgroup version that must be there.
 */
cgroupVersion?: ("v1" | "v2")
/**
 * The handlers that must be there.
 * 
 * Items: One handler that must be there.
 */
handlers?: {
/**
 * Name of the handler.
 */
name: string
/**
 * The kind of OCI runtime.
 */
type: ("runc" | "crun")
/**
 * Whether it is the default handler.
 */
default: boolean
/**
 * Absolute path of the OCI runtime. Absent: found in the engine’s search path.
 */
binary?: string
/**
 * The program of a runc or crun release, a single file. Absent: a program that is on the node already.
 */
archive?: {
/**
 * An https address of the program.
 */
url: string
/**
 * The SHA-256 of the file behind the address, in lower-case hexadecimal.
 */
sha256: string
}
/**
 * Options that the engine hands to the runtime.
 */
options?: {
/**
 * Absolute path of the runtime’s state directory.
 */
root?: string
/**
 * Do not create a new session keyring for containers.
 */
noNewKeyring?: boolean
}
/**
 * Annotations of a pod that the engine hands to the runtime.
 * 
 * Items: One key or pattern.
 */
podAnnotations?: string[]
/**
 * Privileged containers do not get the host’s devices.
 */
privilegedWithoutHostDevices?: boolean
}[]
/**
 * The pause image.
 */
sandboxImage?: string
/**
 * What happens when a node gets another engine.
 */
migration?: {
/**
 * How images reach the store of the new engine: transfer carries those that the node’s pods need from the old one, pull fetches them from their registries before the kubelet starts again. Absent: the kubelet pulls what it needs.
 */
images?: ("transfer" | "pull")
/**
 * What becomes of the former engine: keep leaves it running for others, disable stops it and keeps it from starting, purge also removes its store after the soak. Absent: disable, but refused as long as containers run on it that are not the kubelet’s.
 */
previousEngine?: ("keep" | "disable" | "purge")
}
}
/**
 * Seconds from the stop of the kubelet to its proven return, and one more for each 10 MB of images that are carried; past it the node rolls back by itself.
 */
timeoutSeconds?: number
/**
 * Seconds that the agent’s pod has to come back after the local proof; past it the node rolls back by itself.
 */
courierTimeoutSeconds?: number
}

/**
 * What the agent of the node says.
 */
export interface NodeRuntimeStatus {
/**
 * The metadata.generation of the order that this status answers.
 */
observedGeneration?: number
/**
 * Version of Drydock on the node.
 */
agentVersion?: string
/**
 * /etc/machine-id of the node.
 */
machineID?: string
/**
 * The revision that phase speaks of.
 */
revision?: string
/**
 * The attempt that phase speaks of.
 */
attempt?: number
/**
 * Where the node is with the order.
 */
phase?: ("Observed" | "Preparing" | "Prepared" | "Refused" | "Switching" | "Proven" | "Committed" | "RollingBack" | "RolledBack" | "Failed" | "Removed")
/**
 * The least disruptive action that reaches the target.
 */
action?: ("None" | "Restart" | "DrainRestart" | "DrainSwitch")
/**
 * One sentence that says what is going on, or what went wrong and what to do.
 */
message?: string
/**
 * One CamelCase word for the message of a refusal, a rollback or a failure.
 */
reason?: string
/**
 * The step that failed.
 */
failedStep?: string
/**
 * Whether Drydock has changed this host: some file is not what it was before.
 */
changed?: boolean
/**
 * Whether a managed file is no longer what Drydock wrote.
 */
drifted?: boolean
/**
 * What is on the node.
 */
observed?: {
/**
 * The operating system.
 */
os?: {
/**
 * ID of /etc/os-release.
 */
id?: string
/**
 * VERSION_ID of /etc/os-release.
 */
version?: string
/**
 * Kernel release.
 */
kernel?: string
/**
 * Whether Drydock changes this kind of host at all.
 */
supported?: boolean
}
/**
 * The engine that the kubelet uses.
 */
engine?: {
/**
 * Name: containerd, cri-o, docker, none.
 */
name?: string
/**
 * Version that the engine reports through CRI.
 */
version?: string
/**
 * The CRI endpoint of the kubelet.
 */
socket?: string
/**
 * Path of the engine’s program, from its systemd unit.
 */
binary?: string
/**
 * Path of the engine’s main configuration file.
 */
configPath?: string
/**
 * Version of the configuration format.
 */
configVersion?: number
}
/**
 * Control groups.
 */
cgroup?: {
/**
 * Version of the hierarchy.
 */
version?: ("v1" | "v2")
/**
 * The driver that the engine uses.
 */
engineDriver?: ("systemd" | "cgroupfs")
/**
 * The driver that the kubelet uses.
 */
kubeletDriver?: ("systemd" | "cgroupfs")
}
/**
 * The engine’s handlers.
 * 
 * Items: A handler that the engine has.
 */
handlers?: {
/**
 * Name of the handler.
 */
name: string
/**
 * The engine’s runtime type, such as io.containerd.runc.v2.
 */
type?: string
/**
 * Path of the OCI runtime.
 */
binary?: string
/**
 * Version that the OCI runtime prints.
 */
version?: string
/**
 * The cgroup driver that the handler uses.
 */
cgroupDriver?: ("systemd" | "cgroupfs")
/**
 * Whether it is the default handler.
 */
default?: boolean
}[]
/**
 * The pause image.
 */
sandboxImage?: string
/**
 * Version of the kubelet program.
 */
kubeletVersion?: string
}
/**
 * The files that the order changes.
 * 
 * Items: One file that the order changes.
 */
changes?: {
/**
 * Absolute path of the file.
 */
path: string
/**
 * Unified diff, cut at 8 kB.
 */
diff: string
}[]
/**
 * The steps of the change in their order.
 * 
 * Items: One step.
 */
steps?: {
/**
 * Name of the step.
 */
name: string
/**
 * When it began.
 */
startTime: string
/**
 * How long it took. In milliseconds.
 */
durationMilliseconds: number
}[]
/**
 * How long the preparation took, downloads among it, while the node was in service. In milliseconds.
 */
prepareMilliseconds?: number
/**
 * How long the kubelet was down, for the change and for its undoing. In milliseconds.
 */
kubeletDownMilliseconds?: number
/**
 * Pod sandboxes that were removed on the node for the change.
 */
podsRemoved?: number
/**
 * What became of the images that the node’s pods need.
 */
images?: {
/**
 * Images that were carried from the store of the former engine to that of the new one.
 */
carried: number
/**
 * What they take as archives.
 */
bytes: number
/**
 * Why images were not carried, and who fetches them then.
 */
message?: string
}
/**
 * What the images of the former engine take on disk, as that engine counted them before it was left. In bytes.
 */
reclaimableBytes?: number
/**
 * What is left of the former engine on the host, and how to get rid of it.
 * 
 * Items: One sentence.
 */
residue?: string[]
/**
 * What else a person should know of the change, such as flags of the kubelet that were removed because it refuses them.
 * 
 * Items: One sentence.
 */
notes?: string[]
/**
 * The last proof: pods created through CRI, one per handler.
 */
verification?: {
/**
 * Whether every handler was proven.
 */
passed: boolean
/**
 * What failed, in a sentence.
 */
message?: string
/**
 * When the proof began.
 */
time: string
/**
 * How long the whole proof took. In milliseconds.
 */
durationMilliseconds: number
/**
 * Name that the engine reported: with its version, what the kubelet says of it.
 */
engineName?: string
/**
 * Version that the engine reported.
 */
engineVersion?: string
/**
 * The handlers, each with its calls.
 * 
 * Items: The proof of one handler.
 */
handlers?: {
/**
 * Name of the handler.
 */
name: string
/**
 * Whether every call and check passed.
 */
passed: boolean
/**
 * What failed, in a sentence.
 */
message?: string
/**
 * How long the proof of this handler took. In milliseconds.
 */
durationMilliseconds: number
/**
 * The container’s cgroup, read back from the kernel.
 */
cgroupPath?: string
/**
 * The container’s memory limit, read back from the kernel. In bytes.
 */
memoryLimitBytes?: number
/**
 * Address of the pod that answered over HTTP.
 */
podIP?: string
/**
 * The calls in their order.
 * 
 * Items: One call or check.
 */
calls?: {
/**
 * Name of the call.
 */
name: string
/**
 * How long it took. In milliseconds.
 */
milliseconds: number
}[]
}[]
}
/**
 * Supported and Proven.
 * 
 * Items: One observation of the latest state.
 */
conditions?: {
/**
 * Type of the condition, in CamelCase.
 */
type: string
/**
 * Whether the condition holds: True, False or Unknown.
 */
status: ("True" | "False" | "Unknown")
/**
 * The metadata.generation that the condition was set upon.
 */
observedGeneration?: number
/**
 * When the status last changed.
 */
lastTransitionTime: string
/**
 * One CamelCase word that says why.
 */
reason: string
/**
 * A sentence for people.
 */
message: string
}[]
}

/**
 * Which rollout this is the record of.
 */
export interface MigrationReportSpec {
/**
 * Name of the RuntimeProfile.
 */
profile: string
/**
 * UID of the RuntimeProfile.
 */
profileUID?: string
/**
 * The profile’s metadata.generation when the rollout began.
 */
profileGeneration?: number
/**
 * Hash of the target; "original" for the removal of a profile.
 */
revision: string
}

/**
 * The record.
 */
export interface MigrationReportStatus {
/**
 * Running; Succeeded: every node is there; Failed: some node was refused, rolled back or failed; Superseded: a newer revision, or the removal of the profile, took over.
 */
phase?: ("Running" | "Succeeded" | "Failed" | "Superseded")
/**
 * When the rollout began.
 */
startTime?: string
/**
 * When the rollout ended.
 */
completionTime?: string
/**
 * One sentence that sums the rollout up.
 */
message?: string
/**
 * Nodes that were changed and proven.
 */
changed?: number
/**
 * Nodes that needed no change.
 */
unchanged?: number
/**
 * Nodes that were refused, rolled back or failed.
 */
failed?: number
/**
 * Nodes that are counted above but left out of the list below, which is bounded.
 */
omittedNodes?: number
/**
 * What happened to each node.
 * 
 * Items: What happened to one node.
 */
nodes?: {
/**
 * Name of the node.
 */
name: string
/**
 * How it ended.
 */
result: ("Changed" | "Unchanged" | "Refused" | "RolledBack" | "Failed" | "Skipped")
/**
 * The action that was needed.
 */
action?: ("None" | "Restart" | "DrainRestart" | "DrainSwitch")
/**
 * The attempt that ended so.
 */
attempt?: number
/**
 * When the node’s turn began.
 */
startTime?: string
/**
 * When the node was back in service, or given up.
 */
completionTime?: string
/**
 * What the node ran before.
 */
before?: {
/**
 * Name of the engine.
 */
engine?: string
/**
 * Version of the engine.
 */
engineVersion?: string
/**
 * The CRI endpoint of the kubelet.
 */
endpoint?: string
/**
 * Version of the kubelet.
 */
kubeletVersion?: string
/**
 * The cgroup driver of the engine.
 */
cgroupDriver?: string
/**
 * The cgroup driver of the kubelet.
 */
kubeletCgroupDriver?: string
/**
 * Names of the handlers, comma-separated, the default marked with *.
 */
handlers?: string
/**
 * Programs of the handlers with their versions, comma-separated.
 */
ociRuntimes?: string
/**
 * The pause image.
 */
sandboxImage?: string
}
/**
 * What the node runs now.
 */
after?: {
/**
 * Name of the engine.
 */
engine?: string
/**
 * Version of the engine.
 */
engineVersion?: string
/**
 * The CRI endpoint of the kubelet.
 */
endpoint?: string
/**
 * Version of the kubelet.
 */
kubeletVersion?: string
/**
 * The cgroup driver of the engine.
 */
cgroupDriver?: string
/**
 * The cgroup driver of the kubelet.
 */
kubeletCgroupDriver?: string
/**
 * Names of the handlers, comma-separated, the default marked with *.
 */
handlers?: string
/**
 * Programs of the handlers with their versions, comma-separated.
 */
ociRuntimes?: string
/**
 * The pause image.
 */
sandboxImage?: string
}
/**
 * The files that the order changes.
 * 
 * Items: One file that the order changes.
 */
changes?: {
/**
 * Absolute path of the file.
 */
path: string
/**
 * Unified diff, cut at 8 kB.
 */
diff: string
}[]
/**
 * The steps of the change in their order.
 * 
 * Items: One step.
 */
steps?: {
/**
 * Name of the step.
 */
name: string
/**
 * When it began.
 */
startTime: string
/**
 * How long it took. In milliseconds.
 */
durationMilliseconds: number
}[]
/**
 * How long the preparation took, downloads among it, while the node was in service. In milliseconds.
 */
prepareMilliseconds?: number
/**
 * From the cordon to the last pod gone. In milliseconds.
 */
drainMilliseconds?: number
/**
 * How long the kubelet was down, for the change and for its undoing. In milliseconds.
 */
kubeletDownMilliseconds?: number
/**
 * Pods that the drain moved to other nodes.
 */
podsEvicted?: number
/**
 * Pods that were restarted in place: their sandboxes were removed on the node.
 */
podsRemoved?: number
/**
 * What became of the images that the node’s pods need.
 */
images?: {
/**
 * Images that were carried from the store of the former engine to that of the new one.
 */
carried: number
/**
 * What they take as archives.
 */
bytes: number
/**
 * Why images were not carried, and who fetches them then.
 */
message?: string
}
/**
 * What the images of the former engine take on disk, as that engine counted them before it was left. In bytes.
 */
reclaimableBytes?: number
/**
 * What is left of the former engine on the host, and how to get rid of it.
 * 
 * Items: One sentence.
 */
residue?: string[]
/**
 * What else a person should know of the change, such as flags of the kubelet that were removed because it refuses them.
 * 
 * Items: One sentence.
 */
notes?: string[]
/**
 * The last proof: pods created through CRI, one per handler.
 */
verification?: {
/**
 * Whether every handler was proven.
 */
passed: boolean
/**
 * What failed, in a sentence.
 */
message?: string
/**
 * When the proof began.
 */
time: string
/**
 * How long the whole proof took. In milliseconds.
 */
durationMilliseconds: number
/**
 * Name that the engine reported: with its version, what the kubelet says of it.
 */
engineName?: string
/**
 * Version that the engine reported.
 */
engineVersion?: string
/**
 * The handlers, each with its calls.
 * 
 * Items: The proof of one handler.
 */
handlers?: {
/**
 * Name of the handler.
 */
name: string
/**
 * Whether every call and check passed.
 */
passed: boolean
/**
 * What failed, in a sentence.
 */
message?: string
/**
 * How long the proof of this handler took. In milliseconds.
 */
durationMilliseconds: number
/**
 * The container’s cgroup, read back from the kernel.
 */
cgroupPath?: string
/**
 * The container’s memory limit, read back from the kernel. In bytes.
 */
memoryLimitBytes?: number
/**
 * Address of the pod that answered over HTTP.
 */
podIP?: string
/**
 * The calls in their order.
 * 
 * Items: One call or check.
 */
calls?: {
/**
 * Name of the call.
 */
name: string
/**
 * How long it took. In milliseconds.
 */
milliseconds: number
}[]
}[]
}
/**
 * The step that failed.
 */
failedStep?: string
/**
 * One CamelCase word for a refusal, rollback or failure.
 */
reason?: string
/**
 * One sentence that says why, and what to do.
 */
message?: string
}[]
}
