/** Brings Drydock into a cluster of the test bed as a user would: images, then `helm install`. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { hostArchitecture } from '../../images/architecture.ts'
import { buildImages } from '../../images/build.ts'
import { Cache } from '../cluster/cache.ts'
import { type Cluster, settingsFrom, succeeded } from '../cluster/cluster.ts'
import { type Log, Progress } from '../cluster/progress.ts'

export const namespace = 'drydock-system'
const root = join(import.meta.dirname, '../..')

/** Builds the images and gives the paths of their archives. Quick when only our own programs have changed. */
export const drydockImages = (log: Log = () => undefined): Promise<readonly string[]> => {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }
  return buildImages({
    root,
    version,
    architecture: hostArchitecture(),
    out: join(root, 'dist/images'),
    cache: new Cache(join(settingsFrom(process.env).cache, 'images'), new Progress(log)),
  })
}

/** Runs kubectl and gives what it printed. Throws when it fails, with what it said. */
export const kubectl = async (cluster: Cluster, args: readonly string[], input?: string): Promise<string> =>
  succeeded(['kubectl', ...args], await cluster.kubectl(args, input === undefined ? {} : { input }))

/** `kubectl apply` of objects, as JSON. */
export const apply = (cluster: Cluster, ...objects: readonly object[]): Promise<string> =>
  kubectl(cluster, ['apply', '-f', '-'], JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects }))

/** `helm install --wait`. The images must be on the nodes. */
export const installDrydock = async (cluster: Cluster, values: readonly string[] = []): Promise<void> => {
  const set = values.flatMap((value) => ['--set', value])
  const argv = ['install', 'drydock', join(root, 'charts/drydock'), '--namespace', namespace, '--create-namespace']
  succeeded(['helm', ...argv], await cluster.helm([...argv, '--wait', '--timeout=3m', ...set]))
}
