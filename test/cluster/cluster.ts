/** What tests and the demo use of the test bed. */
export { bringUp, buildParts, type ClusterSpec } from './bring-up.ts'
export type { CgroupDriver } from './containerd-config.ts'
export type { NodeSpec } from './node-files.ts'
export type { NodeKindName } from './node-kind.ts'
export { CommandError, type Output, type RunOptions, succeeded } from './process.ts'
export { attach, type Cluster } from './running-cluster.ts'
export { type Settings, settingsFrom } from './settings.ts'
