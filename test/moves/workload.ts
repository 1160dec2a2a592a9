/** What runs on nodes while their engines are changed: pods that move, pods that stay with their node, and static ones. */

import { type Bed, busybox, type Test, until } from '../nodes/migration/bed.ts'
import { workload } from '../nodes/migration/pods.ts'
import { apply } from '../support/install.ts'

const sleeper = {
  image: busybox,
  imagePullPolicy: 'Never',
  command: ['sh', '-c', 'trap "exit 0" TERM; sleep 1d & wait'],
}

const daemon = {
  apiVersion: 'apps/v1',
  kind: 'DaemonSet',
  metadata: { name: 'daemon', namespace: 'default' },
  spec: {
    selector: { matchLabels: { app: 'daemon' } },
    template: {
      metadata: { labels: { app: 'daemon' } },
      spec: {
        tolerations: [{ operator: 'Exists' }],
        terminationGracePeriodSeconds: 1,
        containers: [{ name: 'main', ...sleeper }],
      },
    },
  },
}

const staticPod = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'static', namespace: 'default' },
  spec: { terminationGracePeriodSeconds: 1, containers: [{ name: 'main', ...sleeper }] },
}

/** A Deployment with a PodDisruptionBudget on the workers, and pods that stay with the nodes. */
export async function startWorkload(bed: Bed, nodes: readonly string[]): Promise<void> {
  await apply(bed.cluster, ...workload('shop', 3, 1, bed.workers))
  await startDaemons(bed, nodes)
  await bed.kubectl('rollout', 'status', 'deployment/shop', '--timeout=90s')
}

/** A DaemonSet, and a static pod on each of the nodes: no drain moves them. */
export async function startDaemons(bed: Bed, nodes: readonly string[]): Promise<void> {
  for (const node of nodes) await bed.write(node, '/etc/kubernetes/manifests/static.yaml', JSON.stringify(staticPod))
  await apply(bed.cluster, daemon)
  for (const node of nodes) await running(bed, node)
}

interface Pod {
  metadata: { name: string; deletionTimestamp?: string }
  status: { phase: string; containerStatuses?: { ready: boolean; restartCount: number; containerID?: string }[] }
}

/** The containers of the pods that stay with the node, by pod; waits until all of them run. */
export async function running(bed: Bed, node: string): Promise<Readonly<Record<string, string>>> {
  return until(`the pods of ${node}`, async () => {
    const all = await bed.list<Pod>('pods', '-n', 'default', `--field-selector=spec.nodeName=${node}`)
    const own = all.filter(({ metadata }) => /^(daemon|static)-/.test(metadata.name) && !metadata.deletionTimestamp)
    const isReady = own.every(({ status }) => status.containerStatuses?.every(({ ready }) => ready))
    if (own.length < 2 || !isReady) return undefined
    const ids = own.map(({ metadata, status }) => [
      metadata.name,
      `${status.containerStatuses?.[0]?.containerID} ${status.containerStatuses?.[0]?.restartCount}`,
    ])
    return Object.fromEntries(ids) as Record<string, string>
  })
}

/** A pod of each handler runs on the node. */
export async function runsPods(t: Test, bed: Bed, node: string, runtimeClasses: readonly string[] = []): Promise<void> {
  for (const runtimeClassName of [undefined, ...runtimeClasses]) {
    const name = `after-${node}-${runtimeClassName ?? 'default'}`
    await apply(bed.cluster, {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name, namespace: 'default', labels: { scenario: 'loose' } },
      spec: {
        nodeName: node,
        ...(runtimeClassName && { runtimeClassName }),
        tolerations: [{ operator: 'Exists' }],
        terminationGracePeriodSeconds: 1,
        containers: [{ name: 'main', ...sleeper }],
      },
    })
    await bed.kubectl('wait', '--for=condition=Ready', `pod/${name}`, '--timeout=60s')
    t.pass(`${node}: a pod of ${runtimeClassName ?? 'the default handler'} runs`)
    await bed.kubectl('delete', 'pod', name, '--grace-period=0', '--force')
  }
}
