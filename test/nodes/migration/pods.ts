/** Pods for scenarios. */
import { busybox } from './bed.ts'

/** Of pods that nothing would create again. */
export const loose = { scenario: 'loose' }

const container = {
  name: 'main',
  image: busybox,
  imagePullPolicy: 'Never',
  command: ['sh', '-c', 'trap "exit 0" TERM; sleep 1d & wait'],
}

export const podOf = (name: string, spec: Readonly<Record<string, unknown>>): object => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, namespace: 'default', labels: loose },
  spec: { terminationGracePeriodSeconds: 1, containers: [container], ...spec },
})

/** A Deployment of so many pods, of which a PodDisruptionBudget allows `disruptions` to be away. */
export const workload = (
  name: string,
  replicas: number,
  disruptions: number,
  nodes: readonly string[],
): readonly object[] => {
  const labels = { app: name }
  const terms = [{ matchExpressions: [{ key: 'kubernetes.io/hostname', operator: 'In', values: [...nodes] }] }]
  const affinity = { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: terms } } }
  return [
    {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name, namespace: 'default' },
      spec: {
        replicas,
        selector: { matchLabels: labels },
        template: {
          metadata: { labels },
          spec: { terminationGracePeriodSeconds: 1, affinity, containers: [container] },
        },
      },
    },
    {
      apiVersion: 'policy/v1',
      kind: 'PodDisruptionBudget',
      metadata: { name, namespace: 'default' },
      spec: { maxUnavailable: disruptions, selector: { matchLabels: labels } },
    },
  ]
}
