/** What the demo's users run: a web shop of three replicas, two of which must always be there. */

const labels = { app: 'shop' }
export const nodePort = 30080

/**
 * A server that ends at once on SIGTERM, after the second that kube-proxy needs to take it out of the Service: what any
 * workload must do to be moved without a lost request.
 */
const container = {
  name: 'shop',
  image: 'docker.io/library/busybox:1.36',
  imagePullPolicy: 'Never',
  command: [
    'sh',
    '-c',
    'mkdir -p /www && echo open > /www/index.html && httpd -p 8080 -h /www; trap "exit 0" TERM; sleep 1d & wait',
  ],
  readinessProbe: { httpGet: { path: '/', port: 8080 }, periodSeconds: 1 },
  lifecycle: { preStop: { sleep: { seconds: 2 } } },
}

export const workload = (workerLabel: Readonly<Record<string, string>>): readonly object[] => [
  {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'shop', namespace: 'default' },
    spec: {
      replicas: 3,
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: { nodeSelector: workerLabel, terminationGracePeriodSeconds: 5, containers: [container] },
      },
    },
  },
  {
    apiVersion: 'policy/v1',
    kind: 'PodDisruptionBudget',
    metadata: { name: 'shop', namespace: 'default' },
    spec: { minAvailable: 2, selector: { matchLabels: labels } },
  },
  {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'shop', namespace: 'default' },
    spec: { type: 'NodePort', selector: labels, ports: [{ port: 80, targetPort: 8080, nodePort }] },
  },
]
